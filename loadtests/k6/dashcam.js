// What the scripts of this folder share. k6 runs them; the load process writes the plan that they read.
//
// Points carry metadata (never a label of a series): the number of the request and, in a closed loop, whose it is. After
// each answer `dashcam_answers` says what came of it, by which the load knows that the request was looked at.
import { sleep } from 'k6';
import { SharedArray } from 'k6/data';
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';

export const plan = JSON.parse(open(__ENV.DASHCAM_PLAN));
export const options = plan.options;

const due = plan.due ? new SharedArray('due', () => JSON.parse(open(plan.due))) : null;
const secret = plan.secret_file ? open(plan.secret_file).trim() : '';
const answers = new Counter('dashcam_answers');
const counters = {
  tokens_in: new Counter('dashcam_tokens_in'),
  tokens_out: new Counter('dashcam_tokens_out'),
  received_bytes: new Counter('dashcam_received_bytes'),
};

// Begin a request and return its number: what it holds depends on that and on the seed only.
export function begin() {
  const index = exec.scenario.iterationInTest;
  const number = plan.first + index;
  exec.vu.metrics.metadata.dashcam = String(number);
  if (plan.closed) {
    exec.vu.metrics.metadata.dashcam_user = String(exec.vu.idInTest - 1);
  }
  if (index === 0) {
    console.log(`dashcam started ${due ? start() : exec.scenario.startTime}`);
  }
  return number;
}

// Wait until the request is due; to be called last before it is sent.
export function wait(number) {
  if (due) {
    const left = 1000 * (plan.lead + due[number - plan.first]) - exec.instance.currentTestRunDuration;
    if (left > 0) {
      sleep(left / 1000);
    }
  }
}

// UTC milliseconds of the start of the test, right to microseconds: Date counts whole milliseconds, so wait for the next.
function start() {
  const now = Date.now();
  let next = now;
  while (next === now) {
    next = Date.now();
  }
  return next - exec.instance.currentTestRunDuration;
}

// Say what came of the request: 'ok' or the kind of the failure, and what was counted.
export function end(outcome, detail, counted) {
  for (const name in counted || {}) {
    if (typeof counted[name] === 'number') {
      counters[name].add(counted[name]);
    }
  }
  answers.add(1, { outcome: outcome });
  if (outcome !== 'ok') {
    console.error(`${outcome}: ${String(detail).slice(0, 300)}`);
  }
  if (plan.think) {
    sleep(plan.think);
  }
}

// Parameters of a request; `name` stands in the place of its URL in labels and records.
export function params(name, more) {
  const headers = Object.assign({ 'Accept-Encoding': 'identity' }, (more && more.headers) || {});
  if (secret) {
    headers[plan.secret_header] = plan.secret_header === 'Authorization' ? `Bearer ${secret}` : secret;
  }
  return Object.assign({}, more || {}, { headers: headers, tags: { name: name }, timeout: plan.timeout_ms, redirects: 0 });
}

// Tell whether there is an answer with the wanted status; if not, the request is over.
export function answered(response, wanted) {
  if (response.status === (wanted || 200)) {
    return true;
  }
  end(response.status ? `http_${response.status}` : 'no_answer', response.error || response.body);
  return false;
}

// Bytes of the answer's body as the server says them; nothing where it does not.
export function received(response) {
  const length = Number(response.headers['Content-Length']);
  return Number.isInteger(length) ? length : null;
}

export function json(response) {
  try {
    return JSON.parse(response.body);
  } catch (_) {
    return null;
  }
}

// Random numbers in [0, 1) of one request (mulberry32 over a hash of seed and number).
export function random(number) {
  let state = 2166136261;
  for (const letter of `${plan.seed}/${number}`) {
    state = Math.imul(state ^ letter.charCodeAt(0), 16777619);
  }
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function handleSummary(data) {
  return { [plan.summary]: JSON.stringify(data, null, 2) };
}
