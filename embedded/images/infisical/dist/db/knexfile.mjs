// Settings of the migration command (`npm run migration:latest`): the "old" TLS variant, as upstream's knexfile.
import { commandConnection, migrationSettings } from "./database.mjs";

const { DB_CONNECTION_URI, DB_ROOT_CERT, DB_HOST, DB_PORT, DB_USER, DB_NAME, DB_PASSWORD } = process.env;

export default {
  client: "pg",
  connection: {
    host: DB_HOST,
    port: DB_PORT,
    user: DB_USER,
    database: DB_NAME,
    password: DB_PASSWORD,
    ...commandConnection(DB_CONNECTION_URI, DB_ROOT_CERT),
    application_name: "infisical-core-migrator",
  },
  pool: { min: 2, max: 10 },
  migrations: migrationSettings,
};
