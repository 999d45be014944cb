import Record from "velocious/build/src/database/record/index.js"

class Recording extends Record {
}

export default Recording
