// A key can come in the address behind the #, which browsers never send: `make dev` prints such a link. It is taken out of
// the address at once. Keys stay in the page's memory; GraphiQL does not store the headers.
const key = new URLSearchParams(window.location.hash.slice(1)).get("key") ?? "";
if (key) window.history.replaceState(null, "", window.location.pathname);

const headers = JSON.stringify({ Authorization: key }, null, 2);
const query = `# Meterline's admin API. Its documentation opens with the book at the upper left.
#
# A secret key (prv_…) belongs under "Headers" below, as Authorization.
# After entering it, load the schema with the round arrows at the lower left.

mutation Record {
  recordUsage(input: { userId: "124", featureId: "api-calls", delta: 1 }) {
    recorded
    reason
    consumption { used budget overageEnabled }
  }
}

query Ask {
  canUseFeature(userId: "124", featureId: "api-calls") {
    access
    reason
    consumption { used budget }
    periodEnd
  }
}
`;

ReactDOM.render(
  React.createElement(GraphiQL, {
    fetcher: GraphiQL.createFetcher({ url: window.location.pathname }),
    isHeadersEditorEnabled: true,
    shouldPersistHeaders: false,
    headers,
    defaultHeaders: headers,
    defaultQuery: query,
    defaultEditorToolsVisibility: "headers",
  }),
  document.getElementById("graphiql"),
);
