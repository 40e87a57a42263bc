// The empty pipeline, until passes can be run.

#include "driver/pipeline.h"

namespace epass::driver {

struct Pipeline::State {};

Pipeline::Pipeline(std::unique_ptr<State> state) : state_(std::move(state)) {}
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline::~Pipeline() = default;

Result<Pipeline> Pipeline::parse(const PipelineOptions&) { return Pipeline(std::make_unique<State>()); }
Result<void> Pipeline::run(Function&, const Symbols&) { return {}; }
PipelineReport Pipeline::report() const { return {}; }

}  // namespace epass::driver
