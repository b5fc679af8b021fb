// The rules of Infisical's environment schema (backend/src/lib/config/env.ts), its oddities kept on purpose:
// JSON and host lists are read by transforms outside the schema's error handling, so a bad one is a bare exception.

class Issue extends Error {}

/** A value which breaks the schema. `issues` holds the variables' names and what is wrong, never a value. */
export class InvalidEnvironment extends Error {
  constructor(issues) {
    super("Invalid environment variables. Check the error below");
    this.issues = issues;
  }
}

const trimmed = (raw) => raw?.trim() || undefined;

const text = (fallback) => (raw) => trimmed(raw) ?? fallback;

// The fallback replaces an absent variable only: an empty one is "Required".
const requiredText = (fallback) => (raw) => {
  const value = raw === undefined ? fallback : trimmed(raw);
  if (value === undefined) throw new Issue("Required");
  return value;
};

const boolean = (fallback = "false") => (raw = fallback) => raw === "true";

const number = (fallback) => (raw) => {
  if (raw === undefined) return fallback;
  const value = Number(raw);
  if (Number.isNaN(value)) throw new Issue("Expected number, received nan");
  return value;
};

const choice = (choices, fallback) => (raw = fallback) => {
  if (raw !== undefined && !choices.includes(raw)) {
    throw new Issue(`Invalid enum value. Expected ${choices.map((each) => `'${each}'`).join(" | ")}`);
  }
  return raw;
};

const strictBoolean = (fallback) => (raw) => {
  const value = choice(["true", "false"], fallback)(raw);
  return value === undefined ? undefined : value === "true";
};

const minLength = (length, fallback) => (raw = fallback) => {
  if (raw.length < length) throw new Issue(`String must contain at least ${length} character(s)`);
  return raw;
};

// V8 quotes the text around a syntax error, which may be part of a password: the name has to do.
const parseJson = (name, value) => {
  try {
    return value && JSON.parse(value);
  } catch {
    throw new SyntaxError(`${name} is not valid JSON`);
  }
};

// "host" without a port is a TypeError, as upstream.
const hosts = (list) =>
  list?.split(",").map((entry) => {
    const [host, port] = entry.trim().split(":");
    return { host: host.trim(), port: Number(port.trim()) };
  });

const isReplica = ({ DB_CONNECTION_URI, DB_ROOT_CERT }) =>
  typeof DB_CONNECTION_URI === "string" && typeof (DB_ROOT_CERT ?? "") === "string";

const readReplicas = (value) => {
  const replicas = parseJson("DB_READ_REPLICAS", value) ?? [];
  if (!Array.isArray(replicas) || !replicas.every((each) => isReplica(Object(each)))) {
    const error = new Error("DB_READ_REPLICAS must be an array of {DB_CONNECTION_URI, DB_ROOT_CERT?}");
    error.name = "ZodError";
    throw error;
  }
  return replicas.map((each) => ({ uri: each.DB_CONNECTION_URI, rootCert: trimmed(each.DB_ROOT_CERT ?? undefined) }));
};

// Optional outside and required inside the schema: absent is fine, empty is not.
const siteUrl = (raw) => (raw === undefined ? undefined : requiredText()(raw).replace(/\/$/, ""));

const databaseUri = ({ DB_USER, DB_PASSWORD, DB_HOST, DB_PORT, DB_NAME }) =>
  `postgresql://${DB_USER}:${DB_PASSWORD}@${DB_HOST}:${DB_PORT}/${DB_NAME}`;

const databaseRules = (env) => ({
  DB_CONNECTION_URI: requiredText(databaseUri(env)),
  DB_ROOT_CERT: text(),
  ENCRYPTION_KEY: text(),
  ROOT_ENCRYPTION_KEY: text(),
  SITE_URL: siteUrl,
});

const serverRules = (env) => ({
  ...databaseRules(env),
  ALLOW_INTERNAL_IP_CONNECTIONS: boolean(),
  AUTH_SECRET: requiredText(env.JWT_AUTH_SECRET),
  CLIENT_APP_ID_GITHUB_APP: number(),
  COOKIE_SECRET_SIGN_KEY: minLength(32, "the published default of upstream, which nobody should keep"),
  CORS_ALLOWED_HEADERS: text(),
  CORS_ALLOWED_ORIGINS: text(),
  DB_POOL_MAX: number(10),
  DB_POOL_MIN: number(0),
  DB_READ_REPLICAS: text(),
  DB_REPLICA_POOL_MAX: number(10),
  DB_REPLICA_POOL_MIN: number(0),
  DEFAULT_SAML_ORG_SLUG: text(env.NEXT_PUBLIC_SAML_ORG_SLUG),
  DISABLE_SECRET_SCANNING: strictBoolean("false"),
  HOST: text("localhost"),
  HSM_SLOT: number(0),
  HTTPS_ENABLED: boolean(),
  LICENSE_KEY: text(),
  MAX_LEASE_LIMIT: number(10000),
  NODE_ENV: choice(["development", "test", "production"], "production"),
  OTEL_EXPORT_TYPE: choice(["prometheus", "otlp"]),
  OTEL_OTLP_PUSH_INTERVAL: number(30000),
  OTEL_TELEMETRY_COLLECTION_ENABLED: boolean(),
  PORT: number(4000),
  REDIS_CLUSTER_ENABLE_TLS: strictBoolean("false"),
  REDIS_CLUSTER_HOSTS: text(),
  REDIS_PASSWORD: text(),
  REDIS_SENTINEL_ENABLE_TLS: boolean(),
  REDIS_SENTINEL_HOSTS: text(),
  REDIS_SENTINEL_MASTER_NAME: text("mymaster"),
  REDIS_SENTINEL_PASSWORD: text(),
  REDIS_SENTINEL_USERNAME: text(),
  REDIS_URL: text(),
  REDIS_USERNAME: text(),
  SALT_ROUNDS: number(10),
  SECRET_SCANNING_GIT_APP_ID: text(),
  SECRET_SCANNING_PRIVATE_KEY: text(),
  SECRET_SCANNING_WEBHOOK_SECRET: text(),
  SMTP_FROM_ADDRESS: text(),
  SMTP_FROM_NAME: text("Infisical"),
  SMTP_HOST: text(),
  SMTP_IGNORE_TLS: boolean(),
  SMTP_PASSWORD: text(),
  SMTP_PORT: number(587),
  SMTP_REQUIRE_TLS: boolean("true"),
  SMTP_TLS_REJECT_UNAUTHORIZED: boolean("true"),
  SMTP_USERNAME: text(),
  STANDALONE_MODE: strictBoolean(),
  TELEMETRY_ENABLED: boolean("true"),
});

const apply = (rules, env) => {
  const config = {};
  const issues = [];
  for (const [name, rule] of Object.entries(rules)) {
    try {
      config[name] = rule(env[name]);
    } catch (error) {
      if (!(error instanceof Issue)) throw error;
      issues.push({ path: [name], message: error.message });
    }
  }
  if (issues.length > 0) throw new InvalidEnvironment(issues);
  return config;
};

/** What a migration reads: the database and the keys. Raises InvalidEnvironment. */
export const readMigrationEnvironment = (env = process.env) => Object.freeze(apply(databaseRules(env), env));

/** What the server reads. Raises InvalidEnvironment, SyntaxError (JSON), TypeError (host without port) or ZodError. */
export const readEnvironment = (env = process.env) => {
  const config = apply(serverRules(env), env);
  for (const name of ["CORS_ALLOWED_HEADERS", "CORS_ALLOWED_ORIGINS"]) config[name] = parseJson(name, config[name]);
  if (!(config.REDIS_URL || config.REDIS_SENTINEL_HOSTS || config.REDIS_CLUSTER_HOSTS)) {
    const message = "Either REDIS_URL, REDIS_SENTINEL_HOSTS or REDIS_CLUSTER_HOSTS must be defined.";
    throw new InvalidEnvironment([{ path: [], message }]);
  }
  return Object.freeze({
    ...config,
    DB_READ_REPLICAS: readReplicas(config.DB_READ_REPLICAS),
    REDIS_CLUSTER_HOSTS: hosts(config.REDIS_CLUSTER_HOSTS),
    REDIS_SENTINEL_HOSTS: hosts(config.REDIS_SENTINEL_HOSTS),
  });
};

/** `read()`, or the list of what is wrong on stderr and the end of the process with upstream's status, 255. */
export const orExit = (read) => {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof InvalidEnvironment)) throw error;
    console.error(error.message);
    // As pino prints an array: an object with its indices.
    console.error(JSON.stringify({ level: 50, ...error.issues }));
    return process.exit(-1);
  }
};
