import ApplicationController from "../../application-controller.js"
import Note from "../../models/note.js"
import release from "../../release.js"

export default class RootController extends ApplicationController {
  async ping() {
    await this.render({json: {pong: release}})
  }

  async index() {
    const environment = this.getConfiguration().getEnvironment()

    await this.render({json: {environment, notes: await Note.count(), release}})
  }

  /** How many jobs there are in each state. */
  async jobs() {
    const rows = await Note.connection().query("SELECT status, COUNT(*) AS count FROM background_jobs GROUP BY status")

    await this.render({json: Object.fromEntries(rows.map(({count, status}) => [status, Number(count)]))})
  }
}
