// Hashes of passwords and client secrets. Upstream uses bcrypt; the shape of the hash is nobody's business.
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

const derive = promisify(scrypt);
const LENGTH = 32;

export const hash = async (password) => {
  const salt = randomBytes(16);
  return `${salt.toString("hex")}:${(await derive(password, salt, LENGTH)).toString("hex")}`;
};

export const matches = async (password, hashed) => {
  const [salt, key] = hashed.split(":").map((part) => Buffer.from(part, "hex"));
  return timingSafeEqual(await derive(password, salt, LENGTH), key);
};
