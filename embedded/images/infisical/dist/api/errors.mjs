// Upstream's kinds of refusal, with the status and the name that its error handler gives each.

export class ApiError extends Error {
  constructor(status, name, message, headers = {}) {
    super(message);
    Object.assign(this, { status, name, headers });
  }
}

export const badRequest = (message, name = "BadRequest") => new ApiError(400, name, message);

export const unauthorized = (message = "You are not allowed to access this resource") =>
  new ApiError(401, "UnauthorizedError", message);

export const forbidden = (message) => new ApiError(403, "ForbiddenError", message);

/** What the permission library says. */
export const denied = (action, subject) =>
  new ApiError(403, "PermissionDenied", `You are not allowed to ${action} on ${subject}`);

export const tokenError = (message) => new ApiError(403, "TokenError", message);

export const notFound = (message) => new ApiError(404, "NotFound", message);

export const tooManyRequests = (seconds) =>
  new ApiError(429, "RateLimitExceeded", `Rate limit exceeded. Please try again in ${seconds} seconds`, {
    "retry-after": String(seconds),
  });

/** A body or a query that breaks the route's schema: `message` is the list of issues, as upstream, not a text. */
export class ValidationError extends Error {
  constructor(issues) {
    super("ValidationFailure");
    Object.assign(this, { status: 422, name: "ValidationFailure", issues });
  }
}
