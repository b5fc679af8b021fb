// Kubernetes auth: the cluster itself says whose ServiceAccount token it is. Without a reviewer's token the client's own
// one reviews itself, so its ServiceAccount has to be allowed to create TokenReviews.
import { randomUUID } from "node:crypto";

import { seal, unseal } from "../keystore.mjs";
import { causeOf } from "../log.mjs";
import { AuthMethod, CHANGED_LIFETIMES, LIFETIMES } from "./auth-method.mjs";
import { badRequest, notFound, unauthorized } from "./errors.mjs";
import { callKubernetes, refuseInternal } from "./kubernetes-api.mjs";
import { flag, matching, nullable, oneOf, optional, or, text } from "./schema.mjs";

const REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews";
const HOST_RULE = "Kubernetes host must only contain alphabets, numbers, colons, periods, hyphen, and forward slashes.";
const host = () => matching(/^[A-Za-z0-9:./-]+$/, HOST_RULE);

const listed = (allowed, name) => !allowed || allowed.split(",").some((each) => each.trim() === name);

const review = (jwt, audience) => ({
  apiVersion: "authentication.k8s.io/v1",
  kind: "TokenReview",
  spec: { token: jwt, ...(audience ? { audiences: [audience] } : {}) },
});

const serviceAccountOf = (username) => {
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username) ?? [];
  if (!name) throw badRequest("Username doesn't match format: system:serviceaccount:<namespace>:<name>");
  return { namespace, name };
};

const messageOf = (body) => {
  try {
    return JSON.parse(body).message;
  } catch {
    return body;
  }
};

export const kubernetesAuthRoutes = ({ rootKey, release, config, ...context }) => {
  const naming = { table: "identity_kubernetes_auths", title: "Kubernetes Auth", name: "kubernetes-auth" };
  const method = new AuthMethod({ config, ...context, ...naming });

  const opened = ({ encryptedCaCert, encryptedTokenReviewerJwt, ...row }) => ({
    ...row,
    caCert: unseal(rootKey, encryptedCaCert).toString(),
    tokenReviewerJwt: encryptedTokenReviewerJwt && unseal(rootKey, encryptedTokenReviewerJwt).toString(),
  });

  const sealed = ({ caCert, tokenReviewerJwt, ...body }) => ({
    ...body,
    ...(caCert === undefined ? {} : { encryptedCaCert: seal(rootKey, caCert) }),
    ...(tokenReviewerJwt === undefined
      ? {}
      : { encryptedTokenReviewerJwt: tokenReviewerJwt && seal(rootKey, tokenReviewerJwt) }),
  });

  const probeHost = async ({ kubernetesHost, caCert }) => {
    await refuseInternal(kubernetesHost, config);
    // As upstream's probe: without an authority nothing is verified.
    const call = { host: kubernetesHost, caCert, verify: Boolean(caCert), path: "/version" };
    const { status } = await callKubernetes(call).catch((error) => {
      throw badRequest(`Failed to connect to Kubernetes host at ${kubernetesHost}: ${causeOf(error)}`);
    });
    if (status >= 500) throw badRequest(`Kubernetes API returned server error: ${status}`);
  };

  const probeReviewer = async ({ kubernetesHost, caCert, tokenReviewerJwt }) => {
    const body = review("test-token-for-permission-validation");
    const call = { host: kubernetesHost, caCert, verify: Boolean(caCert), method: "POST", path: REVIEWS, body };
    const { status, body: answer } = await callKubernetes({ ...call, token: tokenReviewerJwt });
    if (status === 401) {
      throw badRequest(
        "The token reviewer JWT is invalid or expired. Please provide a valid service account token with " +
          "TokenReview permissions.",
      );
    }
    if (status === 403) {
      throw badRequest(
        `${messageOf(answer)}. Ensure the service account has the 'system:auth-delegator' ClusterRole binding.`,
      );
    }
  };

  const checkReach = async (body) => {
    if (body.tokenReviewMode === "gateway") throw badRequest("Failed to use gateway due to plan restriction");
    if (!release.attachProbes || !body.kubernetesHost) return;
    await probeHost(body);
    if (body.tokenReviewerJwt) await probeReviewer(body);
  };

  const attach = async ({ actor, params, body }) => {
    await method.admit(actor, params.identityId, body);
    await checkReach(body);
    return { identityKubernetesAuth: opened(await method.attach(randomUUID(), params.identityId, sealed(body))) };
  };

  const change = async ({ actor, params, body }) => {
    const before = opened(await method.read(actor, params.identityId));
    if (body.kubernetesHost || body.caCert || body.tokenReviewerJwt) await checkReach({ ...before, ...body });
    return { identityKubernetesAuth: opened(await method.change(actor, params.identityId, sealed(body))) };
  };

  const reviewed = async (row, jwt) => {
    if (release.internalLoginRefused) await refuseInternal(row.kubernetesHost, config);
    const token = row.tokenReviewerJwt || jwt;
    const trust = { caCert: row.caCert, verify: row.verifyTlsCertificate && Boolean(row.caCert) };
    const call = { host: row.kubernetesHost, ...trust, method: "POST", path: REVIEWS, token };
    const { status, body } = await callKubernetes({ ...call, body: review(jwt, row.allowedAudience) }).catch((error) => {
      throw badRequest(causeOf(error));
    });
    if (status === 401 || status === 403) throw unauthorized(messageOf(body));
    if (status >= 400) throw badRequest(messageOf(body));
    return JSON.parse(body).status;
  };

  const login = async ({ body }) => {
    const known = /^[0-9a-f-]{36}$/.test(body.identityId);
    const found = known && (await method.find(body.identityId));
    if (!found) throw notFound("Kubernetes auth method not found for identity, did you configure Kubernetes auth?");
    const row = opened(found);
    const status = await reviewed(row, body.jwt);
    if (status.error) throw unauthorized(status.error);
    if (!status.authenticated) throw unauthorized("Kubernetes token not authenticated");
    const { namespace, name } = serviceAccountOf(status.user.username);
    if (!listed(row.allowedNamespaces, namespace)) throw unauthorized("Access denied: K8s namespace not allowed.");
    if (!listed(row.allowedNames, name)) throw unauthorized("Access denied: K8s name not allowed.");
    if (row.allowedAudience && !status.audiences?.includes(row.allowedAudience)) {
      throw unauthorized("Access denied: K8s audience not allowed.");
    }
    return method.session(found);
  };

  const base = "/api/v1/auth/kubernetes-auth";
  const one = `${base}/identities/:identityId`;
  const write = { auth: true, limit: "write" };
  const wish = {
    kubernetesHost: host(),
    caCert: or(text(), ""),
    tokenReviewerJwt: release.optionalReviewer ? optional(text()) : text({ min: 1 }),
    tokenReviewMode: or(oneOf(["api", "gateway"]), "api"),
    allowedNamespaces: text({ trim: false }),
    allowedNames: text({ trim: false }),
    allowedAudience: text({ trim: false }),
    verifyTlsCertificate: or(flag(), true),
    ...LIFETIMES,
  };
  const wishes = {
    kubernetesHost: optional(host()),
    caCert: optional(text()),
    tokenReviewerJwt: nullable(text()),
    tokenReviewMode: optional(oneOf(["api", "gateway"])),
    allowedNamespaces: optional(text({ trim: false })),
    allowedNames: optional(text({ trim: false })),
    allowedAudience: optional(text({ trim: false })),
    verifyTlsCertificate: optional(flag()),
    ...CHANGED_LIFETIMES,
  };
  const credentials = { identityId: text(), jwt: text() };
  return [
    { method: "POST", path: `${base}/login`, limit: "write", body: credentials, handler: login },
    { method: "POST", path: one, ...write, body: wish, handler: attach },
    { method: "PATCH", path: one, ...write, body: wishes, handler: change },
    {
      method: "GET",
      path: one,
      auth: true,
      handler: async ({ actor, params }) => ({
        identityKubernetesAuth: opened(await method.read(actor, params.identityId)),
      }),
    },
    {
      method: "DELETE",
      path: one,
      ...write,
      handler: async ({ actor, params }) => ({
        identityKubernetesAuth: opened(await method.detach(actor, params.identityId)),
      }),
    },
  ];
};
