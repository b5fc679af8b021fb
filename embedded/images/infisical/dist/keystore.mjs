// The key hierarchy: ENCRYPTION_KEY (or ROOT_ENCRYPTION_KEY) seals a random root key, which seals every secret.
// The sealed root key is the canary: a changed ENCRYPTION_KEY cannot open it, and the server refuses to start.
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

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

/** The root key of this database. Raises when it was sealed under another key. */
export const openRootKey = async (db, config) => {
  const row = await db("kms_root_config").first("encryptedRootKey");
  return unseal(encryptionKey(config), row.encryptedRootKey);
};
