// The relay of mail is verified before the server listens, as upstream: one that says nothing adds 30 s to every start,
// one that drops packets 120 s. What is wrong with it is logged, and the server starts all the same.
import { connect } from "node:net";

import { causeOf, log } from "./log.mjs";

const CONNECT_WITHIN = 120_000;
const GREETING_WITHIN = 30_000;

const greeting = ({ SMTP_HOST, SMTP_PORT }) =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: SMTP_HOST ?? "localhost", port: SMTP_PORT });
    const give = (outcome, value) => {
      socket.destroy();
      outcome(value);
    };
    socket.setTimeout(CONNECT_WITHIN);
    socket.once("connect", () => socket.setTimeout(GREETING_WITHIN));
    socket.once("timeout", () => give(reject, new Error("Greeting never received")));
    socket.once("error", (error) => give(reject, error));
    socket.once("data", (data) => give(resolve, data.toString()));
  });

/** Returns when the relay has greeted, or it is clear that it does not. */
export const verifyMail = async (config) => {
  try {
    await greeting(config);
    log.info("SMTP is verified");
  } catch (error) {
    log.error("SMTP could not be verified", { cause: causeOf(error) });
  }
};
