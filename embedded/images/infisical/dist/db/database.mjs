// Infisical's two ways to PostgreSQL. They differ in what an `sslmode` in the address does to DB_ROOT_CERT:
// the server reads it and takes it out (parseSslConfig, PR #4657); the migration command leaves it to node-postgres,
// where it replaces the ssl object, and with it the authority given by DB_ROOT_CERT.
import knex from "knex";
import { fileURLToPath } from "node:url";

export const migrationSettings = {
  tableName: "infisical_migrations",
  directory: fileURLToPath(new URL("migrations", import.meta.url)),
  loadExtensions: [".mjs"],
};

const trust = (rootCert, rejectUnauthorized) => ({
  ca: Buffer.from(rootCert, "base64").toString("ascii"),
  rejectUnauthorized,
});

/** The migration command's variant ("old"). */
export const commandConnection = (uri, rootCert) => ({
  connectionString: uri,
  ssl: rootCert ? trust(rootCert, true) : false,
});

/** The server's variant ("new"): with DB_ROOT_CERT, only verify-ca and verify-full verify; no sslmode does too. */
export const serverConnection = (uri, rootCert) => {
  if (!rootCert) return { connectionString: uri, ssl: false };
  const url = new URL(uri);
  const mode = url.searchParams.get("sslmode");
  if (!mode || mode === "disable") return { connectionString: uri, ssl: trust(rootCert, true) };
  url.searchParams.delete("sslmode");
  return { connectionString: url.toString(), ssl: trust(rootCert, ["verify-ca", "verify-full"].includes(mode)) };
};

const open = (connection, applicationName, min, max) =>
  knex({
    client: "pg",
    connection: { ...connection, application_name: applicationName },
    pool: { min, max },
    migrations: migrationSettings,
  });

export const openDatabase = (config, env = process.env) => {
  const primary = {
    host: env.DB_HOST,
    port: env.DB_PORT ? Number.parseInt(env.DB_PORT, 10) : undefined,
    user: env.DB_USER,
    database: env.DB_NAME,
    password: env.DB_PASSWORD,
    ...serverConnection(config.DB_CONNECTION_URI, config.DB_ROOT_CERT),
  };
  return open(primary, "infisical-core", config.DB_POOL_MIN, config.DB_POOL_MAX);
};

/** Read replicas; one without a certificate of its own is trusted by the primary's. */
export const openReplicas = (config) =>
  config.DB_READ_REPLICAS.map(({ uri, rootCert }) =>
    open(
      serverConnection(uri, rootCert ?? config.DB_ROOT_CERT),
      "infisical-core-replica",
      config.DB_REPLICA_POOL_MIN,
      config.DB_REPLICA_POOL_MAX,
    ),
  );

const SERVER = `
  select host(inet_server_addr()) as address, inet_server_port() as port, pg_backend_pid() as pid,
         current_user as "user", current_setting('transaction_read_only')::boolean as "readOnly"`;

// `authorized` alone would also be true where a wrong certificate is accepted (rejectUnauthorized: false).
const observedTls = (client) => {
  const { stream } = client.connection;
  const encrypted = stream.encrypted === true;
  return {
    encrypted,
    verified: encrypted && stream.authorized && client.ssl.rejectUnauthorized !== false,
    certificate: encrypted ? { serial: stream.getPeerCertificate().serialNumber } : null,
  };
};

/** What a live pooled connection says of itself. Raises when it does not answer within `limit` milliseconds. */
export const observe = async (db, limit) => {
  const client = await db.client.acquireConnection();
  // A server which no longer answers would keep the pool's connection for good.
  const timer = setTimeout(() => client.connection.stream.destroy(new Error(`no answer within ${limit} ms`)), limit);
  try {
    const { rows } = await client.query(SERVER);
    const { address, port, ...rest } = rows[0];
    return { host: client.host, backend: `${address}:${port}`, ...rest, ...observedTls(client) };
  } finally {
    clearTimeout(timer);
    await db.client.releaseConnection(client);
  }
};
