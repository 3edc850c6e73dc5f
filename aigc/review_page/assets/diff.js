// What an edit changed: by words, and by characters where a language is written without spaces.

const UNSPACED = '[\\p{sc=Han}\\p{sc=Hiragana}\\p{sc=Katakana}]';
const LETTER = `(?:(?!${UNSPACED})[\\p{L}\\p{N}\\p{M}_])`;
const TOKEN = new RegExp(`${UNSPACED}|${LETTER}+(?:['’.,-]${LETTER}+)*|[^\\S\\n]+|[^]`, 'gu');
const MOST_EDITS = 1500;

const tokensOf = (text) => text.match(TOKEN) || [];

/** Pieces `{kind, text}` of kind same, del and ins that lead from `before` to `after`. */
function diff(before, after) {
  const [a, b] = [tokensOf(before), tokensOf(after)];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  const runs = joined([
    { kind: 'same', tokens: a.slice(0, head) },
    ...steps(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    { kind: 'same', tokens: a.slice(a.length - tail) },
  ]);
  slide(runs);
  return runs.filter(({ tokens }) => tokens.length).map(({ kind, tokens }) => ({ kind, text: tokens.join('') }));
}

const SENTENCE_END = /^[.!?。！？…\n]$/;

/** Where `. One more` could as well be ` One more.`, it is: what came or went is told by whole sentences. */
function slide(runs) {
  for (let i = 1; i + 1 < runs.length; i += 1) {
    const [before, run, next] = [runs[i - 1], runs[i], runs[i + 1]];
    if (run.kind !== 'same' && before.kind === 'same' && next.kind === 'same' && run.tokens[0] === next.tokens[0]
      && SENTENCE_END.test(run.tokens[0])) {
      before.tokens.push(run.tokens[0]);
      run.tokens.push(run.tokens.shift());
      next.tokens.shift();
    }
  }
}

/** The shortest way from `a` to `b` (Myers, 1986), as runs of tokens; all of it replaced where they have too little in common. */
function steps(a, b) {
  if (!a.length || !b.length) return [{ kind: 'del', tokens: a }, { kind: 'ins', tokens: b }];
  const trace = [];
  const most = Math.min(a.length + b.length, MOST_EDITS);
  const middle = most + 1;
  const reach = new Int32Array(2 * middle + 1);
  for (let edits = 0; edits <= most; edits += 1) {
    trace.push(reach.slice(middle - edits - 1, middle + edits + 2));
    for (let k = -edits; k <= edits; k += 2) {
      const down = k === -edits || (k !== edits && reach[middle + k - 1] < reach[middle + k + 1]);
      let x = down ? reach[middle + k + 1] : reach[middle + k - 1] + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      reach[middle + k] = x;
      if (x >= a.length && x - k >= b.length) return walkBack(a, b, trace);
    }
  }
  return [{ kind: 'del', tokens: a }, { kind: 'ins', tokens: b }];
}

function walkBack(a, b, trace) {
  const back = [];
  let [x, y] = [a.length, b.length];
  for (let edits = trace.length - 1; edits >= 0; edits -= 1) {
    const reach = (k) => trace[edits][k + edits + 1];
    const k = x - y;
    const down = k === -edits || (k !== edits && reach(k - 1) < reach(k + 1));
    const before = down ? k + 1 : k - 1;
    const [startX, startY] = edits ? [reach(before), reach(before) - before] : [0, 0];
    while (x > startX && y > startY) {
      x -= 1;
      y -= 1;
      back.push({ kind: 'same', tokens: [a[x]] });
    }
    if (!edits) break;
    back.push(down ? { kind: 'ins', tokens: [b[startY]] } : { kind: 'del', tokens: [a[startX]] });
    [x, y] = [startX, startY];
  }
  return back.reverse();
}

/** Not `push(...)`: that takes no more than a stack holds. */
function addAll(list, more) {
  for (const one of more) list.push(one);
}

/** Runs of one kind put together, and what is the same but means nothing alone (a space between two changes) with them. */
function joined(given) {
  const runs = [];
  let gone = [];
  let come = [];
  let same = [];
  const end = () => {
    if (gone.length) runs.push({ kind: 'del', tokens: gone });
    if (come.length) runs.push({ kind: 'ins', tokens: come });
    [gone, come] = [[], []];
  };
  for (const { kind, tokens } of given) {
    if (kind === 'same') {
      addAll(same, tokens);
      continue;
    }
    if (same.length && (gone.length || come.length) && /^[^\S\n]*$/.test(same.join(''))) {
      addAll(gone, same);
      addAll(come, same);
    } else if (same.length) {
      end();
      runs.push({ kind: 'same', tokens: same });
    }
    same = [];
    addAll(kind === 'del' ? gone : come, tokens);
  }
  end();
  if (same.length) runs.push({ kind: 'same', tokens: same });
  return runs;
}
