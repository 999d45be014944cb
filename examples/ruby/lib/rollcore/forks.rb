# frozen_string_literal: true

module Rollcore
  # The child of a fork has no part in its parent's handles. The library knows it, too (also of Process.daemon, which does
  # not come by here): here Ruby forgets them, so that nobody in the child waits for what only comes to the parent.
  module Forks
    @handles = ObjectSpace::WeakMap.new

    class << self
      def watch(handle)
        @handles[handle] = true
      end

      def in_child
        @handles.each_key(&:abandon)
        @handles = ObjectSpace::WeakMap.new
      end
    end

    # In front of Process._fork, which is behind every fork of Ruby.
    module Hook
      def _fork
        super.tap { |pid| Forks.in_child if pid.zero? }
      end
    end

    Process.singleton_class.prepend(Hook)
  end
end
