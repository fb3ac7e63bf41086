"use strict";
// Runs axe on an explain page as it is first, and with each kind of layer in the panel.

const audited = { findings: [], states: 0, wide: [], moves: null, dark: matchMedia("(prefers-color-scheme: dark)").matches };
const pause = (time) => new Promise((done) => setTimeout(done, time));

async function audit(state) {
  const { violations } = await axe.run({ resultTypes: ["violations"] });
  for (const one of violations) audited.findings.push(`${state}: ${one.id}: ${one.nodes[0].html.slice(0, 200)}`);
  if (document.documentElement.scrollWidth > innerWidth) audited.wide.push(state);
  audited.states++;
}

async function auditAll() {
  while (!at("status").textContent.includes("computed in")) await pause(20);
  await audit("the page");
  const kinds = new Set();
  for (const [i, node] of network.nodes.entries()) {
    if (kinds.has(node.op)) continue;
    kinds.add(node.op);
    openPanel(i + 1, Math.floor(page.values[i + 1].data.length / 2), at("file"));
    await audit(node.op);
  }
  openPanel(1, 0, at("file"), true);
  audited.moves = timer !== null;
  closePanel();
  if (document.activeElement !== at("file")) audited.findings.push("the focus does not come back");
}

auditAll()
  .catch((error) => audited.findings.push(error.stack))
  .finally(() => document.body.append(make("pre", { id: "found", text: JSON.stringify(audited) })));
