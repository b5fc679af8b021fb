// Settings of the migration command for the audit log's own database: all tables of the image, as upstream's.
import { commandConnection, migrationSettings } from "./database.mjs";

const { AUDIT_LOGS_DB_CONNECTION_URI, AUDIT_LOGS_DB_ROOT_CERT } = process.env;

if (!AUDIT_LOGS_DB_CONNECTION_URI) {
  console.info("Dedicated audit log database not found. No further migrations necessary");
  process.exit(0);
}

export default {
  client: "pg",
  connection: commandConnection(AUDIT_LOGS_DB_CONNECTION_URI, AUDIT_LOGS_DB_ROOT_CERT),
  pool: { min: 2, max: 10 },
  migrations: migrationSettings,
};
