# frozen_string_literal: true

require "fiddle"
require_relative "error"

module Rollcore
  # The C functions of librollcore, and nothing else. Strings that the library hands out are freed as soon as they are read.
  module Native
    ABI_VERSION = 1

    # What the functions return. Not failures: TIMEOUT, INTERRUPTED, CLOSED.
    OK = 0

    INT = Fiddle::TYPE_INT
    TEXT = Fiddle::TYPE_CONST_STRING
    POINTER = Fiddle::TYPE_VOIDP
    NUMBER = -Fiddle::TYPE_LONG_LONG
    VOID = Fiddle::TYPE_VOID

    FUNCTIONS = {
      abi_version: [INT],
      version: [TEXT],
      schema: [INT, TEXT, POINTER, POINTER],
      validate: [INT, TEXT, TEXT, POINTER],
      string_free: [VOID, POINTER],
      new: [INT, TEXT, POINTER, POINTER],
      free: [VOID, POINTER],
      event_fd: [INT, POINTER],
      next_event: [INT, POINTER, INT, POINTER, POINTER],
      event_json: [TEXT, POINTER],
      event_status: [INT, POINTER],
      event_free: [VOID, POINTER],
      submit: [INT, POINTER, TEXT, TEXT, NUMBER, POINTER, POINTER],
      cancel: [INT, POINTER, NUMBER],
      subscribe: [INT, POINTER, TEXT, POINTER],
      snapshot: [INT, POINTER, TEXT, POINTER, POINTER]
    }.freeze

    class << self
      def version
        call(:version)
      end

      def schema(name)
        text { |json, error| checked(error, call(:schema, name, json, error)) }
      end

      def validate(kind, json)
        with_room { |error| checked(error, call(:validate, kind, json, error)) }
      end

      # A handle, as a number.
      def open(options)
        with_room(2) { |out, error| checked(error, call(:new, options, out, error)) && out.ptr.to_i }
      end

      def free(handle)
        call(:free, handle)
      end

      def event_fd(handle)
        call(:event_fd, handle)
      end

      # Never waits; says whether there was one. It is in +slot+ then, and nowhere else.
      def next_event?(handle, slot)
        with_room { |error| checked(error, call(:next_event, handle, 0, slot, error)) == OK }
      end

      # What it says, and how the operation that it tells the end of went.
      def read(event)
        [call(:event_json, event).force_encoding(Encoding::UTF_8), call(:event_status, event)]
      end

      def event_free(event)
        call(:event_free, event)
      end

      # The number of the operation.
      def submit(handle, method, params, tag)
        with_room(2) do |out, error|
          checked(error, call(:submit, handle, method, params, tag, out, error))
          out[0, 8].unpack1("Q")
        end
      end

      # It may be over already.
      def cancel(handle, operation)
        call(:cancel, handle, operation)
      end

      def subscribe(handle, filter)
        with_room { |error| checked(error, call(:subscribe, handle, filter, error)) }
      end

      def snapshot(handle, selector)
        text { |json, error| checked(error, call(:snapshot, handle, selector, json, error)) }
      end

      # Room for a pointer, with nothing in it.
      def room
        Fiddle::Pointer.malloc(Fiddle::SIZEOF_VOIDP, Fiddle::RUBY_FREE).tap { |room| empty(room) }
      end

      def empty(room)
        room[0, Fiddle::SIZEOF_VOIDP] = NOTHING
      end

      private

      NOTHING = "\0".b * Fiddle::SIZEOF_VOIDP
      private_constant :NOTHING

      def with_room(count = 1)
        yield(*Array.new(count) { room })
      end

      # What was written to the room for a string.
      def text
        with_room(2) do |out, error|
          yield out, error
          taken(out)
        end
      end

      # Raises what the library says of it.
      def checked(error, status)
        raise Error.parse(taken(error), status) if status.negative?

        status
      end

      def taken(out)
        return if out.ptr.null?

        out.ptr.to_s.force_encoding(Encoding::UTF_8)
      ensure
        call(:string_free, out.ptr)
        empty(out)
      end

      def call(name, *arguments)
        (@functions ||= bind).fetch(name).call(*arguments)
      end

      def bind
        library = open_library
        functions = FUNCTIONS.to_h { |name, (result, *parameters)| [name, function(library, name, result, parameters)] }
        abi = functions[:abi_version].call
        return functions if abi == ABI_VERSION

        raise Error.new("librollcore has ABI #{abi}, this gem needs ABI #{ABI_VERSION}", code: :abi_mismatch)
      end

      # All but one are over in no time. They keep the interpreter's lock, so that nothing interrupts Ruby between what they
      # do and what is made of it.
      def function(library, name, result, parameters)
        Fiddle::Function.new(library["rollcore_#{name}"], parameters, result, name: name.to_s, need_gvl: name != :free)
      end

      # Where the library is: where +ROLLCORE_LIB+ says, else in this gem, else where the system has it.
      def candidates
        return [ENV["ROLLCORE_LIB"]] unless ENV["ROLLCORE_LIB"].to_s.empty?

        bundled = File.join(__dir__, "librollcore.so")
        File.exist?(bundled) ? [bundled] : ["librollcore.so", "librollcore.so.0.1"]
      end

      def open_library
        tried = candidates.map do |file|
          return Fiddle.dlopen(file)
        rescue Fiddle::DLError => e
          "#{file}: #{e.message}"
        end
        tried << "install librollcore, or say in ROLLCORE_LIB where it is"
        raise Error.new(tried.join("\n"), code: :library_not_found)
      end
    end
  end
end
