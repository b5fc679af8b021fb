// What upstream's free edition refuses, with its sentences: custom roles, groups, approvals, privileges of one's own.
import { badRequest } from "./errors.mjs";

const restricted = (what) =>
  badRequest(`Failed to ${what} due to plan restriction. Upgrade plan to ${what}.`);

const LEGACY_PRIVILEGES =
  "Additional privileges are not available for this project. Use folder access controls instead.";

export const paidRoutes = ({ config }) => {
  const refusing = (method, path, error) => ({
    method,
    path,
    auth: true,
    limit: "write",
    handler: () => {
      throw error();
    },
  });
  const privileges = "/api/v2/identity-project-additional-privilege";
  const always = [refusing("POST", privileges, () => badRequest(LEGACY_PRIVILEGES))];
  if (config.LICENSE_KEY) return always;
  const role = () =>
    badRequest("Failed to create custom role due to plan RBAC restriction. Upgrade plan to create custom role.");
  return [
    ...always,
    refusing("POST", "/api/v1/projects/:projectId/roles", role),
    refusing("POST", "/api/v1/organization/roles", role),
    refusing("POST", "/api/v1/groups", () => restricted("create group")),
    refusing("POST", "/api/v1/secret-approvals", () => restricted("create secret approval policy")),
    refusing("POST", "/api/v1/access-approvals/policies", () => restricted("create access approval policy")),
    refusing("PUT", "/api/v1/projects/:projectId/identities/:identityId/folder-access/:folderId", () =>
      restricted("access folder access controls"),
    ),
  ];
};
