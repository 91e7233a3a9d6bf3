// Inference over the KServe v2 protocol as JSON, as Triton and others speak it.
import http from 'k6/http';
import { answered, begin, end, json, params, plan, random, received, wait } from './dashcam.js';
export { handleSummary, options } from './dashcam.js';

const asked = plan.triton;
const path = `/v2/models/${asked.model}${asked.version ? `/versions/${asked.version}` : ''}/infer`;
const size = (shape) => shape.reduce((product, each) => product * each, 1);

function value(datatype, next) {
  if (datatype === 'BOOL') return next() < 0.5;
  if (datatype === 'BYTES') return `item ${Math.floor(next() * 1e6)}`;
  if (datatype.startsWith('FP')) return next();
  return Math.floor(next() * 100);
}

export default function () {
  const number = begin();
  const next = random(number);
  const inputs = asked.inputs.map((input) => ({
    name: input.name,
    shape: input.shape,
    datatype: input.datatype,
    data: Array.from({ length: size(input.shape) }, () => value(input.datatype, next)),
  }));
  const body = JSON.stringify({ id: String(number), inputs: inputs });
  const how = params(path, { headers: { 'Content-Type': 'application/json' } });
  wait(number);
  const response = http.post(plan.url + path, body, how);
  if (!answered(response)) return;
  const answer = json(response);
  const counted = { received_bytes: received(response) };
  const outputs = (answer && answer.outputs) || [];
  if (!outputs.length || answer.id !== String(number)) return end('wrong_answer', response.body, counted);
  const short = outputs.find((output) => !Array.isArray(output.data) || output.data.length !== size(output.shape));
  end(short ? 'truncated' : 'ok', short ? `${short.name} is not whole` : '', counted);
}
