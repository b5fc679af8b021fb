// The key hierarchy: ENCRYPTION_KEY (or ROOT_ENCRYPTION_KEY) seals a random root key, which seals every secret.
// The sealed root key is the canary: a changed ENCRYPTION_KEY cannot open it, and the server refuses to start.
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from "node:crypto";

const ALGORITHM = "aes-256-gcm";
const IV_LENGTH = 12;
const TAG_LENGTH = 16;

/** iv | tag | ciphertext. A key which is not 32 bytes is a RangeError: Invalid key length. */
export const seal = (key, plain) => {
  const iv = randomBytes(IV_LENGTH);
  const cipher = createCipheriv(ALGORITHM, key, iv);
  const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), ciphertext]);
};

/** A wrong key is an Error: Unsupported state or unable to authenticate data. */
export const unseal = (key, sealed) => {
  const decipher = createDecipheriv(ALGORITHM, key, sealed.subarray(0, IV_LENGTH));
  decipher.setAuthTag(sealed.subarray(IV_LENGTH, IV_LENGTH + TAG_LENGTH));
  return Buffer.concat([decipher.update(sealed.subarray(IV_LENGTH + TAG_LENGTH)), decipher.final()]);
};

const encryptionKey = ({ ENCRYPTION_KEY, ROOT_ENCRYPTION_KEY }) => {
  if (ROOT_ENCRYPTION_KEY) return Buffer.from(ROOT_ENCRYPTION_KEY, "base64");
  if (ENCRYPTION_KEY) return Buffer.from(ENCRYPTION_KEY, "utf8");
  throw new Error("Missing both encryption keys");
};

export const newSealedRootKey = (config) => seal(encryptionKey(config), randomBytes(32));

const ACTIVE = "00000000-0000-0000-0000-000000000000";
const LOCK = 2025; // of all servers that start

const opened = (key, { encryptedRootKey }) => {
  try {
    return unseal(key, encryptedRootKey);
  } catch {
    return undefined;
  }
};

// A key that was made in the admin panel takes effect here: when a server first starts with it. The key before it still
// opens the database, the one before that no longer does.
const promote = async (db, staged) => {
  const active = await db("kms_root_config").where({ id: ACTIVE }).first();
  await db("kms_root_config").whereNotNull("supersededAt").delete();
  await db("kms_root_config").where({ id: staged.id }).delete();
  await db("kms_root_config").insert({ ...active, id: randomUUID(), supersededAt: new Date() });
  await db("kms_root_config")
    .where({ id: ACTIVE })
    .update({ encryptedRootKey: staged.encryptedRootKey, kekLabel: staged.kekLabel, activatedAt: new Date() });
};

/** The root key of this database. Raises when no copy of it was sealed under this key. */
export const openRootKey = (db, config) =>
  db.transaction(async (transaction) => {
    await transaction.raw("select pg_advisory_xact_lock(?)", [LOCK]);
    const key = encryptionKey(config);
    const copies = await transaction("kms_root_config").orderBy("id");
    const copy = copies.find((each) => opened(key, each));
    if (!copy) unseal(key, copies[0].encryptedRootKey); // raises what upstream raises
    if (copy.id !== ACTIVE && !copy.supersededAt) await promote(transaction, copy);
    return opened(key, copy);
  });
