// Runs the bodies of asynchronous functions that come as JSON lines, and answers each with a JSON line.
import { createInterface } from "node:readline";

const AsyncFunction = (async () => {}).constructor;

for await (const line of createInterface({ input: process.stdin })) {
  const { body, args } = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await new AsyncFunction(body).apply(null, args)) ?? null };
  } catch (error) {
    answer = { error: String(error.stack) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
process.exit(0);
