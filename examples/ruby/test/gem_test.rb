# frozen_string_literal: true

require "fileutils"
require "tmpdir"
require_relative "support"

class GemTest < Minitest::Test
  HOST = <<~RUBY
    require "json"
    require "rollcore"
    config = JSON.parse(File.read("#{RELEASES}/rollcore.json"))
    Rollcore.open(config, simulate: { seed: 1 }) do |engine|
      %w[v1 v2].each { |id| engine.deploy(id: id, path: "/releases/\#{id}").value! }
      puts engine.status[:active_release_id], $LOADED_FEATURES.grep(/rollcore\\.rb/)
    end
  RUBY

  def done(*command, folder:, **environment)
    environment = environment.transform_keys(&:to_s).merge("ROLLCORE_LIB" => nil)
    told = run_program(*command, environment: environment, folder: folder)
    assert_predicate told.status, :success?, "#{command.join(' ')}\n#{told.stdout}#{told.stderr}"
    told.stdout
  end

  # Built, installed in an empty folder, and run from there; gives the files that were installed.
  def installed_and_run(folder, **environment)
    done("gem", "build", "--strict", "rollcore.gemspec", folder: "#{folder}/source")
    packed = Dir["#{folder}/source/rollcore-*.gem"]
    assert_equal 1, packed.size
    # fiddle comes with Ruby, which --install-dir forbids to look at.
    done("gem", "install", "--local", "--no-document", "--ignore-dependencies", "--install-dir", "#{folder}/gems", *packed,
         folder: folder)
    gems = { GEM_PATH: "#{folder}/gems", GEM_HOME: "#{folder}/gems" }
    active, loaded = done(RbConfig.ruby, "-e", HOST, folder: folder, **gems, **environment).lines(chomp: true)
    assert_equal "v2", active
    assert_operator loaded, :start_with?, "#{folder}/gems/"
    puts "#{File.basename(packed.first)}: #{File.size(packed.first)} bytes"
    Dir.chdir("#{folder}/gems/gems") { Dir["rollcore-*/**/*"].select { |path| File.file?(path) } }
  end

  def in_a_copy
    Dir.mktmpdir("rollcore-gem-") do |folder|
      FileUtils.mkdir("#{folder}/source")
      FileUtils.cp_r(%w[lib sig README.md rollcore.gemspec bundle.rb].map { |name| "#{HERE}/#{name}" }, "#{folder}/source")
      FileUtils.rm_f("#{folder}/source/lib/rollcore/librollcore.so")
      yield folder
    end
  end

  def library
    ENV.fetch("ROLLCORE_LIB") { flunk "ROLLCORE_LIB says which library to pack" }
  end

  def test_gem_build_install_and_run_with_the_library_in_it
    in_a_copy do |folder|
      done(RbConfig.ruby, "bundle.rb", library, folder: "#{folder}/source")
      files = installed_and_run(folder)
      assert(files.any? { |path| path.end_with?("/lib/rollcore/librollcore.so") }, files.inspect)
      assert(files.any? { |path| path.end_with?("/sig/rollcore.rbs") }, files.inspect)
      refute(files.any? { |path| path.match?(/test|story/) }, files.inspect)
    end
  end

  def test_gem_build_install_and_run_with_the_library_of_the_system
    in_a_copy do |folder|
      FileUtils.mkdir("#{folder}/system")
      FileUtils.ln_s(library, "#{folder}/system/librollcore.so.0.1")
      files = installed_and_run(folder, LD_LIBRARY_PATH: "#{folder}/system")
      refute(files.any? { |path| path.end_with?(".so") }, files.inspect)
    end
  end
end
