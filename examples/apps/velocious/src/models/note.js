import Record from "velocious/build/src/database/record/index.js"

class Note extends Record {
}

export default Note
