// Routes by method and pattern (`/api/v1/identities/:identityId`); the first that fits answers. A route says what it
// reads of `params`, `query` and `body`, who may call it, and which limit counts it.
import { notFound } from "./errors.mjs";
import { parse } from "./schema.mjs";

const compiled = ({ path, ...route }) => {
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name);
  const pattern = new RegExp(`^${path.replace(/:\w+/g, "([^/]+)")}/?$`);
  return { path, names, pattern, ...route };
};

const decoded = (segment) => {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw notFound("Route not found");
  }
};

export class Router {
  constructor(routes) {
    this.routes = routes.filter(Boolean).map(compiled);
  }

  /** The route of a request and the parameters in its path. Raises 404 as upstream does for an older release. */
  find(method, pathname) {
    for (const route of this.routes) {
      const match = route.method === method && route.pattern.exec(pathname);
      if (match) {
        const values = match.slice(1).map(decoded);
        return { route, params: Object.fromEntries(route.names.map((name, index) => [name, values[index]])) };
      }
    }
    throw notFound(`Route ${method}:${pathname} not found`);
  }
}

/** What the handler of a route is given. Raises ValidationError. */
export const requestOf = ({ route, params }, url, body) => ({
  params,
  query: parse(route.query ?? {}, Object.fromEntries(url.searchParams)),
  body: route.body ? parse(route.body, body) : undefined,
});
