// /api/docs/json: the OpenAPI description of the running instance, by which a client learns what it serves.

const operationOf = ({ body, query = {}, names }) => ({
  parameters: [
    ...names.map((name) => ({ name, in: "path", required: true, schema: { type: "string" } })),
    ...Object.keys(query).map((name) => ({ name, in: "query", schema: { type: "string" } })),
  ],
  ...(body && {
    requestBody: {
      content: {
        "application/json": {
          schema: { type: "object", properties: Object.fromEntries(Object.keys(body).map((key) => [key, {}])) },
        },
      },
    },
  }),
  responses: { 200: { description: "Default Response" } },
});

/** The routes as OpenAPI has them: `:name` is `{name}`. */
export const openApiOf = (routes, version) => {
  const paths = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return { openapi: "3.0.3", info: { title: "Infisical API", version }, paths };
};
