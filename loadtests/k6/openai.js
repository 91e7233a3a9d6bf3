// Completions or chat over the OpenAI API, answered in one piece: k6 cannot see a first token.
import http from 'k6/http';
import { answered, begin, end, json, params, plan, random, received, wait } from './dashcam.js';
export { handleSummary, options } from './dashcam.js';

const WORDS = 'node fabric rank queue kernel tensor buffer stripe shard token batch cache clock phase probe trace'.split(' ');
const chat = plan.openai.api === 'chat';
const path = chat ? '/v1/chat/completions' : '/v1/completions';

function body(number) {
  const next = random(number);
  const words = Array.from({ length: plan.openai.prompt_tokens }, () => WORDS[Math.floor(next() * WORDS.length)]);
  words[0] += number; // prompts differ from their first word on: no prefix cache helps
  const text = words.join(' ');
  const asked = { max_tokens: plan.openai.max_tokens, temperature: plan.openai.temperature, stream: false };
  if (plan.openai.model) asked.model = plan.openai.model;
  if (plan.openai.ignore_eos) asked.ignore_eos = true;
  return JSON.stringify(Object.assign(asked, chat ? { messages: [{ role: 'user', content: text }] } : { prompt: text }));
}

export default function () {
  const number = begin();
  const asked = body(number);
  const how = params(path, { headers: { 'Content-Type': 'application/json' } });
  wait(number);
  const response = http.post(plan.url + path, asked, how);
  if (!answered(response)) return;
  const answer = json(response);
  const choice = answer && answer.choices && answer.choices[0];
  const text = choice && (chat ? choice.message && choice.message.content : choice.text);
  const usage = (answer && answer.usage) || {};
  const counted = { tokens_in: usage.prompt_tokens, tokens_out: usage.completion_tokens, received_bytes: received(response) };
  if (typeof text !== 'string') return end('wrong_answer', response.body, counted);
  if (!choice.finish_reason) return end('truncated', response.body, counted);
  if (usage.completion_tokens === 0) return end('empty', response.body, counted);
  end('ok', '', counted);
}
