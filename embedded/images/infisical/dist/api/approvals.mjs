// Paths that an approval policy guards: a write there is answered with 200 and a request for approval, and not done.
// Policies are paid; without a licence, STAND_IN_GUARDED=slug/environment:/path,… stands for them.
import { randomUUID } from "node:crypto";

const GUARDED = (process.env.STAND_IN_GUARDED ?? "").split(",").filter(Boolean);

/** The request for approval that a write there becomes, or undefined. */
export const approvalFor = ({ slug }, { environment, path }, bound) => {
  if (!bound && !GUARDED.includes(`${slug}/${environment}:${path}`)) return undefined;
  return { id: randomUUID(), slug: randomUUID().slice(0, 8), status: "open", hasMerged: false, environment };
};
