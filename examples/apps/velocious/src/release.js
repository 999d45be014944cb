/** The release this process belongs to. */
export default process.env.ROLLBRIDGE_RELEASE_ID || "unreleased"
