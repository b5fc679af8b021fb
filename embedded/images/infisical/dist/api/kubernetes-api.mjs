// The Kubernetes API as the server calls it, and the rule that keeps it away from internal addresses.
import { lookup } from "node:dns/promises";
import { request } from "node:https";
import { BlockList, isIP } from "node:net";

import { badRequest } from "./errors.mjs";

const WITHIN = 10_000;
const PRIVATE = new BlockList();
for (const [network, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
]) {
  PRIVATE.addSubnet(network, bits, "ipv4");
}
for (const [network, bits] of [
  ["::1", 128],
  ["fc00::", 7],
  ["fe80::", 10],
]) {
  PRIVATE.addSubnet(network, bits, "ipv6");
}

const withScheme = (host) => (/^https?:\/\//.test(host) ? host : `https://${host}`);

/** Raises 400 for an address inside a network, unless the environment allows those. */
export const refuseInternal = async (host, { ALLOW_INTERNAL_IP_CONNECTIONS }) => {
  const name = new URL(withScheme(host)).hostname.replace(/^\[|\]$/g, "");
  if (name === "localhost" || name === "host.docker.internal") throw badRequest("Local IPs not allowed as URL");
  const addresses = isIP(name) ? [{ address: name }] : await lookup(name, { all: true });
  const internal = addresses.some(({ address }) => PRIVATE.check(address, isIP(address) === 6 ? "ipv6" : "ipv4"));
  if (internal && !ALLOW_INTERNAL_IP_CONNECTIONS) throw badRequest("Local IPs not allowed as URL");
};

/** `{status, body}` of a call. Raises what the connection raises. */
export const callKubernetes = ({ host, caCert, verify, method = "GET", path, token, body }) =>
  new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) };
    const trust = { ca: caCert || undefined, rejectUnauthorized: verify };
    const call = request(new URL(path, withScheme(host)), { method, headers, timeout: WITHIN, ...trust }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk) => (text += chunk));
      answer.on("end", () => resolve({ status: answer.statusCode, body: text }));
    });
    call.on("timeout", () => call.destroy(new Error(`timeout of ${WITHIN}ms exceeded`)));
    call.on("error", reject);
    call.end(body && JSON.stringify(body));
  });
