// k nearest neighbours over the REST API of Qdrant or Chroma, in a collection that is there. k6 knows no truth: no recall.
import http from 'k6/http';
import { answered, begin, end, json, params, plan, random, received, wait } from './dashcam.js';
export { handleSummary, options } from './dashcam.js';

const asked = plan.vector;
const DATABASES = {
  qdrant: {
    path: `/collections/${asked.collection}/points/query`,
    body: (vector) => ({ query: vector, limit: asked.k }),
    distances: (answer) => answer.result.points.map((point) => -point.score),
    sorted: false, // by score: whether high or low is near depends on the metric
  },
  chroma: {
    path: `/api/v2/tenants/default_tenant/databases/default_database/collections/${asked.collection}/query`,
    body: (vector) => ({ query_embeddings: [vector], n_results: asked.k, include: ['distances'] }),
    distances: (answer) => answer.distances[0],
    sorted: true,
  },
};
const database = DATABASES[asked.database];

export default function () {
  const number = begin();
  const next = random(number);
  const vector = Array.from({ length: asked.dim }, () => 2 * next() - 1);
  const headers = { 'Content-Type': 'application/json' };
  const body = JSON.stringify(database.body(vector));
  const how = params(`${asked.database} query`, { headers: headers });
  wait(number);
  const response = http.post(plan.url + database.path, body, how);
  if (!answered(response)) return;
  const answer = json(response);
  const counted = { received_bytes: received(response) };
  let distances;
  try {
    distances = database.distances(answer);
  } catch (_) {
    return end('wrong_answer', response.body, counted);
  }
  if (distances.length !== asked.k || !distances.every(Number.isFinite)) return end('wrong_answer', `${distances.length} neighbours`, counted);
  if (database.sorted && distances.some((each, index) => index > 0 && each < distances[index - 1])) return end('wrong_answer', 'not the nearest first', counted);
  end('ok', '', counted);
}
