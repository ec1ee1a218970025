# frozen_string_literal: true

module Rota
  # Times, rates and counts are looked at before anything happens.
  #
  # @api private
  module Numbers
    module_function

    # What has divmod is as good as a number for Kernel#sleep: durations of ActiveSupport.
    def require(name, value)
      raise TypeError, "#{name} must be a number, not #{value.class}" unless value.respond_to?(:divmod)
      raise ArgumentError, "#{name} must be a number, not NaN" if value.respond_to?(:nan?) && value.nan?
    end

    def require_positive(name, value)
      require(name, value)
      raise ArgumentError, "#{name} must be positive" unless value.positive?
    end
  end
  private_constant :Numbers
end
