// node validate.cjs FOLDER RULES < page.html: what AMP's own validator, installed in the folder, says of a page.
const [, , folder, rules] = process.argv;
const validator = require(require.resolve("amphtml-validator", { paths: [folder] }));
validator.getInstance(rules).then((instance) => {
  const { status, errors } = instance.validateString(require("node:fs").readFileSync(0, "utf8"));
  console.log(JSON.stringify({ status, errors: errors.map(({ line, message }) => `${line}: ${message}`) }));
});
