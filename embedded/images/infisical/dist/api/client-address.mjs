// The address that a request is counted by. Upstream (server/plugins/ip.ts) believes these headers from anybody, in this
// order, unless TRUSTED_PROXY_CIDRS says whom to believe; that setting is not known here.
const BELIEVED = ["cf-connecting-ip", "cf-pseudo-ipv4", "x-client-ip", "x-envoy-external-address", "x-forwarded-for"];

export const addressOf = ({ headers, socket }) => {
  const said = BELIEVED.map((name) => headers[name]).find(Boolean);
  return said?.split(",")[0].trim() ?? socket.remoteAddress;
};
