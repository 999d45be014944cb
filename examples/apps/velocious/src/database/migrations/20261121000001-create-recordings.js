import Migration from "velocious/build/src/database/migration/index.js"

export default class CreateRecordings extends Migration {
  async up() {
    await this.createTable("recordings", (t) => {
      t.string("state", {null: false})
      t.integer("samples", {null: false})
      t.boolean("stop_requested", {null: false})
      t.string("worker_release")
      t.integer("worker_pid")
      t.timestamps()
    })
  }

  async down() {
    await this.dropTable("recordings")
  }
}
