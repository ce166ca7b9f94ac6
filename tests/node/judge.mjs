// Judges cases from standard input with @phala/dcap-qvl (pure JavaScript) and prints what it said.
//
// In:  [{"name", "quote": hex, "collateral": object, "root": hex of the DER or null for the vendor's, "now": seconds}]
// Out: [{"name", "status", "advisories", "report_data": hex} or {"name", "error": message with its causes}]
import { readFileSync } from 'node:fs';
import qvl from '@phala/dcap-qvl';

const words = (error) => (error.cause ? `${error.message}: ${words(error.cause)}` : String(error.message ?? error));

const judged = ({ name, quote, collateral, root, now }) => {
  const verifier = root === null
    ? qvl.QuoteVerifier.newProd()
    : qvl.QuoteVerifier.newWithRootCa(Buffer.from(root, 'hex'));
  try {
    const report = verifier.verify(Buffer.from(quote, 'hex'), collateral, now);
    const body = Object.values(report.report).find((part) => part?.reportData) ?? report.report;
    return {
      name,
      status: report.status,
      advisories: report.advisory_ids,
      report_data: Buffer.from(body.reportData).toString('hex'),
    };
  } catch (error) {
    return { name, error: words(error) };
  }
};

const cases = JSON.parse(readFileSync(0, 'utf8'));
console.log(JSON.stringify(cases.map(judged)));
