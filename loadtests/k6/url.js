// Any URL: its status, and what must stand in its answer.
import http from 'k6/http';
import { answered, begin, end, params, plan, received, wait } from './dashcam.js';
export { handleSummary, options } from './dashcam.js';

const asked = plan.request;

export default function () {
  const number = begin();
  const path = asked.paths[number % asked.paths.length];
  const more = { headers: asked.headers };
  if (asked.status >= 400) more.responseCallback = http.expectedStatuses(asked.status);
  const how = params(`${asked.method} ${path}`, more);
  wait(number);
  const response = http.request(asked.method, plan.url + path, asked.body, how);
  if (!answered(response, asked.status)) return;
  const counted = { received_bytes: received(response) };
  const lacks = asked.contains && !String(response.body).includes(asked.contains);
  end(lacks ? 'wrong_answer' : 'ok', lacks ? `no ${asked.contains} in it` : '', counted);
}
