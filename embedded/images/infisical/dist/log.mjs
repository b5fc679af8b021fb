// One JSON object a line, as Infisical's own production log. Messages carry names and causes, never a value.

const write = (level, message, fields) =>
  process.stdout.write(`${JSON.stringify({ level, time: new Date().toISOString(), msg: message, ...fields })}\n`);

export const log = {
  info: (message, fields) => write("info", message, fields),
  warn: (message, fields) => write("warn", message, fields),
  error: (message, fields) => write("error", message, fields),
};

/** The cause in one line. An AggregateError (every address of a host refused) has no message of its own. */
export const causeOf = (error) => {
  const message = error.message || error.errors?.map((each) => each.message).join("; ") || "no message";
  return error.code && !message.includes(error.code) ? `${error.code}: ${message}` : message;
};
