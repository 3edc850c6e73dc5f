// Decisions out as decisions.jsonl, and in again.

const FORMAT = 1;

/** The file's text: a heading, then a decision a line, oldest first. Afterwards those made here count as exported. */
function exportedText() {
  for (const [n, entry] of decisions) {
    if (entry.own && !entry.decision.editor) entry.decision = { ...entry.decision, editor: liked.editor };
    if (!entry.exported) hold(n, { ...entry, exported: true });
  }
  const lines = [...[...decisions.values()].map((entry) => entry.decision), ...[...imported.values()].flatMap((byEditor) => [...byEditor.values()])];
  lines.sort((one, other) => (one.at < other.at ? -1 : Number(one.at > other.at)));
  const heading = { aigc_review: FORMAT, run_id: about.run_id, editor: liked.editor };
  return `${[heading, ...lines].map((line) => JSON.stringify(line)).join('\n')}\n`;
}

function fileName() {
  const who = liked.editor.normalize('NFC').replace(/[^\p{L}\p{N}_-]+/gu, '-').replace(/^-+|-+$/g, '');
  return `${['decisions', about.run_id, who].filter(Boolean).join('-')}.jsonl`;
}

function download(text, name) {
  const address = URL.createObjectURL(new Blob([text], { type: 'application/jsonl' }));
  const link = h('a', { href: address, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** Put a text on the clipboard, in the old way where the new one is not allowed. Whether it is there. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h('textarea', { class: 'off-screen', value: text });
    (document.querySelector('dialog[open]') || document.body).append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

/** Take the decisions of a file. Of two of one editor on one text the later one stays. Tells what came of each. */
function importText(text) {
  const report = { taken: 0, same: 0, older: 0, unknown: [], changed: [], reasonless: [], elsewhere: 0, broken: [], editors: new Set() };
  let heading = null;
  text.replace(/^\ufeff/, '').split('\n').forEach((line, i) => {
    if (!line.trim()) return;
    const found = parsedLine(line);
    if (found && found.aigc_review !== undefined) heading = found.aigc_review === FORMAT ? found : null;
    else if (!found || !heading || typeof found.record_id !== 'string') report.broken.push(i + 1);
    else if ((found.run_id ?? heading.run_id) !== about.run_id) report.elsewhere += 1;
    else takeOne(found, heading, report, i + 1);
  });
  return report;
}

function parsedLine(line) {
  try {
    const found = JSON.parse(line);
    return found && typeof found === 'object' && !Array.isArray(found) ? found : null;
  } catch {
    return null;
  }
}

function takeOne(found, heading, report, line) {
  const n = byId.get(found.record_id);
  if (n === undefined) return report.unknown.push(found.record_id);
  if (found.base !== rows[n].base) return report.changed.push(n);
  const decision = { record_id: found.record_id, run_id: about.run_id, action: found.action,
    editor: found.editor || heading.editor || '', at: found.at, base: found.base };
  for (const name of ['text', 'fields', 'reason', 'note']) {
    if (found[name] && Object.keys(found[name]).length) decision[name] = found[name];
  }
  if (!isSound(n, decision)) return report.broken.push(line);
  if (decision.action === 'reject' && !decision.reason) report.reasonless.push(rows[n].brief);
  const isColleagues = isOthers(decision.editor);
  const here = isColleagues ? imported.get(n)?.get(decision.editor) : decisionOn(n);
  if (here && JSON.stringify(here) === JSON.stringify(decision)) report.same += 1;
  else if (here && !isLater(decision, here)) report.older += 1;
  else {
    if (isColleagues) holdImported(n, decision);
    else replace(n, decision);
    report.taken += 1;
  }
  return report.editors.add(decision.editor);
}
