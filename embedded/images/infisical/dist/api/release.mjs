// Which of upstream's releases the stand-in behaves as. STAND_IN_RELEASED is the day of a release; the newest known is
// the default. Each feature stands here with the day since which upstream has it, as far as its history tells.

const SINCE = {
  bootstrap: "2025-03-18", // PR 3259
  configByIdentity: "2025-03-18",
  checksReferences: "2025-01-15", // before, a reference to nothing was stored as it is
  optionalReviewer: "2025-03-21", // PR 3292
  blankNames: "2025-07-01",
  missingFolders: "2025-08-30", // PR 4441; before, secrets of a folder that isn't there were an empty list
  folderCreation: "2025-09-01", // /api/v2/folders
  projectsV1: "2025-09-15", // PR 4530; before: /api/v1/workspace and /api/v2/workspace
  projectIdentities: "2025-10-31", // PR 4785; before, /api/v1/projects/:id/identity-memberships alone
  secretsV4: "2025-11-01",
  attachProbes: "2025-12-01", // the host is called, and internal addresses are refused, when auth is attached
  invitesByDefaultRole: "2026-01-06", // PR 5112; before, whoever is invited to a project has no role in the organisation
  disposableRefused: "2026-01-23", // PR 5254
  expandByDefault: "2026-02-01", // v4's list expands references and includes imports unless told otherwise
  bootstrapPassword: "2026-04-28", // PR 6221; before, the password of a bootstrapped admin has no hash
  editAuth: "2026-07-01", // PR 7208; before, a member may attach auth to any identity
  signUpCloses: "2026-07-13", // PR 7275; before, sign-up stays open after the first admin
  policiesBindMachines: "2026-08-01", // PR 7540; before, a policy bound people alone
  internalLoginRefused: "2026-08-28", // PR 7855
};
const UNTIL = { rateLimits: "2025-02-01" }; // #3488: later ones limit in the cloud only
// PR 5659 ended it: a secret that was changed in a batch without a value lost the one that it had.
const BETWEEN = { batchEmpties: ["2026-03-05", "2026-03-11"] };

const NEWEST = "2026-09-15";

/** `{feature: boolean}` of the release that STAND_IN_RELEASED names. */
export const releaseOf = (env = process.env) => {
  const day = env.STAND_IN_RELEASED ?? NEWEST;
  const features = Object.entries(SINCE).map(([name, since]) => [name, day >= since]);
  const gone = Object.entries(UNTIL).map(([name, until]) => [name, day < until]);
  const passing = Object.entries(BETWEEN).map(([name, [since, until]]) => [name, day >= since && day < until]);
  return Object.freeze(Object.fromEntries([...features, ...gone, ...passing]));
};
