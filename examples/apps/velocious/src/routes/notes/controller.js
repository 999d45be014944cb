import ApplicationController from "../../application-controller.js"
import Note from "../../models/note.js"

export default class NotesController extends ApplicationController {
  async index() {
    await this.render({json: {count: await Note.count()}})
  }

  async create() {
    const note = await Note.create({body: this.params().body})

    await this.render({json: {id: note.id()}})
  }
}
