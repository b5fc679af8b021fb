// What a route accepts. As upstream's schemas: texts are trimmed, unknown keys are dropped, and all issues are told.
import { ValidationError } from "./errors.mjs";

class Invalid extends Error {
  constructor(message, path = []) {
    super(message);
    this.path = path;
  }
}

const typed = (type) => (value) => {
  if (value === undefined) throw new Invalid("Required");
  if (typeof value !== type) throw new Invalid(`Expected ${type}, received ${value === null ? "null" : typeof value}`);
  return value;
};

export const text =
  ({ min = 0, max = Infinity, trim = true } = {}) =>
  (value) => {
    const read = trim ? typed("string")(value).trim() : typed("string")(value);
    if (read.length < min) throw new Invalid(`String must contain at least ${min} character(s)`);
    if (read.length > max) throw new Invalid(`String must contain at most ${max} character(s)`);
    return read;
  };

export const matching = (pattern, message, rules) => (value) => {
  const read = text(rules)(value);
  if (!pattern.test(read)) throw new Invalid(message);
  return read;
};

// zod 3.22, types.ts.
const EMAIL = /^(?!\.)(?!.*\.\.)([A-Z0-9_'+\-.]*)[A-Z0-9_+-]@([A-Z0-9][A-Z0-9-]*\.)+[A-Z]{2,}$/i;

export const email = () => matching(EMAIL, "Invalid email");

export const slug = (rules) =>
  matching(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, "Must be a valid slug", { min: 1, max: 64, ...rules });

export const flag = () => typed("boolean");

/** A flag of a query: the text true or false. */
export const queryFlag = () => (value) => oneOf(["true", "false"])(value) === "true";

export const integer =
  ({ min = 0, max = 315_360_000 } = {}) =>
  (value) => {
    if (!Number.isInteger(typed("number")(value))) throw new Invalid("Expected integer, received float");
    if (value < min) throw new Invalid(`Number must be greater than or equal to ${min}`);
    if (value > max) throw new Invalid(`Number must be less than or equal to ${max}`);
    return value;
  };

/** An integer of a query. */
export const queryInteger = (rules) => (value) => integer(rules)(Number(text()(value)));

export const oneOf = (choices) => (value) => {
  if (value === undefined) throw new Invalid("Required");
  if (!choices.includes(value)) {
    throw new Invalid(`Invalid enum value. Expected ${choices.map((each) => `'${each}'`).join(" | ")}`);
  }
  return value;
};

export const optional = (rule) => (value) => (value === undefined ? undefined : rule(value));

export const nullable = (rule) => (value) => (value === undefined || value === null ? value : rule(value));

export const or = (rule, fallback) => (value) => (value === undefined ? fallback : rule(value));

export const list =
  (rule, { min = 0, max = Infinity } = {}) =>
  (value) => {
    if (value === undefined) throw new Invalid("Required");
    if (!Array.isArray(value)) throw new Invalid(`Expected array, received ${typeof value}`);
    if (value.length < min) throw new Invalid(`Array must contain at least ${min} element(s)`);
    if (value.length > max) throw new Invalid(`Array must contain at most ${max} element(s)`);
    return value.map((each, index) => within(index, () => rule(each)));
  };

const within = (step, work) => {
  try {
    return work();
  } catch (error) {
    if (error instanceof Invalid) error.path.unshift(step);
    throw error;
  }
};

export const object = (shape) => (value) => {
  if (value === undefined) throw new Invalid("Required");
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Invalid("Expected object");
  const entries = Object.entries(shape).map(([key, rule]) => [key, within(key, () => rule(value[key]))]);
  return Object.fromEntries(entries.filter(([, read]) => read !== undefined));
};

/** What `shape` reads from `input`. Raises ValidationError with every issue. */
export const parse = (shape, input) => {
  const read = {};
  const issues = [];
  for (const [key, rule] of Object.entries(shape)) {
    try {
      const value = within(key, () => rule(input?.[key]));
      if (value !== undefined) read[key] = value;
    } catch (error) {
      if (!(error instanceof Invalid)) throw error;
      issues.push({ code: "custom", path: error.path, message: error.message });
    }
  }
  if (issues.length > 0) throw new ValidationError(issues);
  return read;
};
