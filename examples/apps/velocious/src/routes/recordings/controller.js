import ApplicationController from "../../application-controller.js"
import RecordJob from "../../jobs/record-job.js"
import Recording from "../../models/recording.js"
import {setTimeout as pause} from "node:timers/promises"

const LOOK_EVERY_MS = 50
const UNTIL_TIMEOUT_MS = 20_000

export default class RecordingsController extends ApplicationController {
  /** Begins a recording, which goes on in a worker until somebody stops it. */
  async create() {
    const recording = await Recording.create({samples: 0, state: "queued", stopRequested: false})

    // In the worker itself, not in a detached process of its own: the worker then knows what it has to finish.
    await RecordJob.performLaterWithOptions({args: [recording.id()], options: {forked: false}})
    await this.tell(recording)
  }

  /** With `?until=done` the answer comes when the recording is done, or after 20 s as it is then. */
  async show() {
    const {id, until} = this.params()
    const giveUpAt = Date.now() + UNTIL_TIMEOUT_MS
    let recording = await Recording.find(id)

    while (until && recording.state() !== until && Date.now() < giveUpAt) {
      await pause(LOOK_EVERY_MS)
      recording = await Recording.find(id)
    }
    await this.tell(recording)
  }

  async stop() {
    const recording = await Recording.find(this.params().id)

    await recording.update({stopRequested: true})
    await this.tell(recording)
  }

  async tell(recording) {
    await this.render({
      json: {
        id: recording.id(),
        samples: recording.samples(),
        state: recording.state(),
        workerPid: recording.workerPid(),
        workerRelease: recording.workerRelease()
      }
    })
  }
}
