#include "plan/jobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "plan/models.h"
#include "plan/tensor_index.h"
#include "recipe/validate.h"

namespace merganser {
namespace {

// Block weights name the places of architecture.h; "embed" etc. are the same words.
Position position_of(std::string_view name, const TensorPlace& place, double t,
                     std::optional<std::size_t> layer) {
  return {.name = name, .t = t, .layer = layer, .place = to_string(place.place)};
}

class JobMaker {
 public:
  JobMaker(Plan& plan, const std::vector<PlannedModule>& modules)
      : plan_(plan),
        modules_(modules),
        method_(*plan.method),
        reference_(plan.models[plan.reference].architecture) {
    for (const PlanModel& model : plan.models) index_.emplace_back(model, reference_);
    if (plan.recipe.heads.from) keep_from_ = model_index(plan.models, *plan.recipe.heads.from);
  }

  void run() {
    for (const PlannedModule& module : modules_) {
      if (module.slices.empty()) continue;
      layers_ = module.slices.back().output_first + module.slices.back().layers();
      for (const PlannedSlice& slice : module.slices) add_layers(module, slice);
      add_loose(module, module.slices.front(), [](Place p) { return p != Place::head; });
      add_loose(module, module.slices.back(), [](Place p) { return p == Place::head; });
    }
    const auto by_name = [](const PlanJob& a, const PlanJob& b) {
      return a.output.name < b.output.name;
    };
    std::sort(plan_.jobs.begin(), plan_.jobs.end(), by_name);
    check_whole_model();
    list_left_out();
  }

 private:
  // One input model's part in an output tensor.
  struct Candidate {
    const SliceSource* source;
    std::optional<std::size_t> tensor;
    std::string name;  // in the reference naming, with the source's layer number
  };

  void add_layers(const PlannedModule& module, const PlannedSlice& slice) {
    const std::size_t layers = slice.layers();
    for (std::size_t i = 0; i < layers; ++i) {
      // MergeKit: a slice of one layer stands at the gradient's end.
      const double t = layers == 1 ? 1 : static_cast<double>(i) / static_cast<double>(layers - 1);
      std::map<std::string, TensorPlace> stems;
      for (const SliceSource& source : slice.sources) {
        for (const auto& [stem, entry] :
             index_[source.model].layer(module.module, source.first + i)) {
          stems.emplace(stem, entry.place);
        }
      }
      const std::size_t output_layer = slice.output_first + i;
      for (const auto& [stem, place] : stems) {
        std::vector<Candidate> candidates;
        for (const SliceSource& source : slice.sources) {
          const auto& entries = index_[source.model].layer(module.module, source.first + i);
          const auto it = entries.find(stem);
          Candidate candidate{&source, std::nullopt, place.name_at(source.first + i)};
          if (it != entries.end()) candidate.tensor = it->second.tensor;
          candidates.push_back(std::move(candidate));
        }
        add_job(slice, place, place.name_at(output_layer), output_layer, t, std::move(candidates));
      }
    }
  }

  template <class Wanted>
  void add_loose(const PlannedModule& module, const PlannedSlice& slice, Wanted wanted) {
    std::map<std::string, TensorPlace> names;
    for (const SliceSource& source : slice.sources) {
      for (const auto& [name, entry] : index_[source.model].loose(module.module)) {
        if (wanted(entry.place.place)) names.emplace(name, entry.place);
      }
    }
    for (const auto& [name, place] : names) {
      std::vector<Candidate> candidates;
      for (const SliceSource& source : slice.sources) {
        candidates.push_back({&source, find_loose(source.model, name), name});
      }
      add_job(slice, place, name, std::nullopt, 0, std::move(candidates));
    }
  }

  // By name, by another name of the same weight, or the tensor it is tied to.
  std::optional<std::size_t> find_loose(std::size_t model, const std::string& name) {
    if (const auto found = index_[model].find(name)) return found;
    for (const std::string& alias : reference_.aliases(name)) {
      if (const auto found = index_[model].find(alias)) return found;
    }
    for (const TiedPair& pair : plan_.models[model].architecture.tied()) {
      if (pair.name != name) continue;
      const auto found = index_[model].find(pair.source);
      if (!found) continue;
      plan_.notes.push_back(fmt::format("{}: '{}' takes the values of the tied '{}'",
                                        plan_.models[model].path.string(), name, pair.source));
      return found;
    }
    return std::nullopt;
  }

  const TensorInfo& header(const Candidate& candidate) const {
    return plan_.models[candidate.source->model].headers()[*candidate.tensor];
  }

  PlanInput input(const Candidate& candidate) const {
    return {candidate.source->model, *candidate.tensor};
  }

  void add_job(const PlannedSlice& slice, TensorPlace place, std::string name,
               std::optional<std::size_t> layer, double t, std::vector<Candidate> candidates) {
    for (const Candidate& candidate : candidates) {
      if (candidate.tensor) plan_.models[candidate.source->model].used[*candidate.tensor] = true;
    }
    if (!plan_.options.only.empty() && !glob_match(plan_.options.only, name)) return;
    PlanJob job;
    place.layer = layer;
    job.place = place;
    job.output.name = std::move(name);
    const auto absent = [](const Candidate& c) { return !c.tensor; };
    if (std::any_of(candidates.begin(), candidates.end(), absent)) {
      if (!settle_partial(job, candidates)) return;
    } else {
      check_shapes(job, candidates);
      if (!is_float(header(candidates.front()).dtype)) {
        job.action = PlanJob::Action::integers;
        job.output.dtype = header(candidates.front()).dtype;
        if (slice.base) {
          const PlanInput base{*slice.base, candidates_base(slice, candidates)};
          job.base = base;
        }
        for (const Candidate& candidate : candidates) job.inputs.push_back(input(candidate));
      } else {
        settle_merge(job, slice, t, candidates);
      }
    }
    plan_.jobs.push_back(std::move(job));
  }

  std::size_t candidates_base(const PlannedSlice& slice,
                              const std::vector<Candidate>& candidates) const {
    for (const Candidate& candidate : candidates) {
      if (candidate.source->model == *slice.base) return *candidate.tensor;
    }
    return 0;  // plan_slices put the base among the sources
  }

  // A tensor that only some inputs have: buffers follow the base, heads the recipe's rule.
  bool settle_partial(PlanJob& job, const std::vector<Candidate>& candidates) {
    const Candidate* holder = nullptr;
    std::string without;
    for (const Candidate& candidate : candidates) {
      const PlanModel& model = plan_.models[candidate.source->model];
      if (!candidate.tensor) {
        if (without.empty()) without = model.path.string();
      } else if (holder == nullptr || candidate.source->model == plan_.reference) {
        holder = &candidate;
      }
    }
    const HeadRule& rule = plan_.recipe.heads;
    if (!is_float(header(*holder).dtype)) {
      if (holder->source->model != plan_.reference) {
        leave_out(candidates, "a buffer that the base does not have");
        return false;
      }
      job.note = "a buffer of the base that other inputs lack: copied";
    } else if (rule.kind == HeadRule::Kind::drop) {
      leave_out(candidates, fmt::format("not in {} (heads: drop)", without));
      return false;
    } else if (rule.kind == HeadRule::Kind::keep_from) {
      holder = nullptr;
      for (const Candidate& candidate : candidates) {
        if (candidate.tensor && candidate.source->model == *keep_from_) holder = &candidate;
      }
      if (holder == nullptr) {
        leave_out(candidates, fmt::format("not in {} (heads: keep_from)",
                                          plan_.models[*keep_from_].path.string()));
        return false;
      }
      job.note = "not in every input: kept (heads: keep_from)";
    } else {
      throw Error(ErrorKind::mismatch,
                  fmt::format("it is in {}, but not in {}",
                              plan_.models[holder->source->model].path.string(), without))
          .in_tensor(job.output.name)
          .hint(
              "heads: drop leaves such tensors out, heads: {keep_from: MODEL} copies one model's");
    }
    std::vector<Candidate> others;
    for (const Candidate& candidate : candidates) {
      if (&candidate != holder) others.push_back(candidate);
    }
    leave_out(others, fmt::format("not in every input: taken from {}",
                                  plan_.models[holder->source->model].path.string()));
    job.action = PlanJob::Action::copy;
    job.inputs = {input(*holder)};
    job.output.shape = header(*holder).shape;
    job.output.dtype = output_dtype(header(*holder).dtype);
    return true;
  }

  void leave_out(const std::vector<Candidate>& candidates, const std::string& reason) {
    for (const Candidate& candidate : candidates) {
      if (!candidate.tensor) continue;
      plan_.left_out.push_back({candidate.source->model, header(candidate).name, reason});
    }
  }

  void check_shapes(PlanJob& job, const std::vector<Candidate>& candidates) const {
    const Candidate& first = candidates.front();
    job.output.shape = header(first).shape;
    for (const Candidate& candidate : candidates) {
      const TensorInfo& info = header(candidate);
      const auto fail = [&](std::string what) {
        return Error(ErrorKind::mismatch, std::move(what))
            .in_file(plan_.models[candidate.source->model].path.string())
            .in_tensor(info.name);
      };
      if (info.shape != job.output.shape) {
        Error error = fail(fmt::format("shape {} does not fit {} of {}", to_string(info.shape),
                                       to_string(job.output.shape),
                                       plan_.models[first.source->model].path.string()));
        if (job.place.vocabulary) {
          error.hint("the vocabularies differ: merge models of one tokenizer, or resize first");
        } else {
          error.hint("only models of the same shapes can be merged: do they share a base?");
        }
        throw error;
      }
      const bool integers = !is_float(info.dtype) || !is_float(header(first).dtype);
      if (integers && info.dtype != header(first).dtype) {
        throw fail(fmt::format("type {} does not fit {} of {}", torch_name(info.dtype),
                               torch_name(header(first).dtype),
                               plan_.models[first.source->model].path.string()));
      }
    }
  }

  DType output_dtype(DType stored) const {
    if (!is_float(stored)) return stored;
    if (plan_.recipe.out_dtype) return *plan_.recipe.out_dtype;
    return plan_.recipe.dtype.value_or(stored);
  }

  const Parameters* source_level(const Candidate& candidate) const {
    return candidate.source->written == nullptr ? nullptr : &candidate.source->written->parameters;
  }

  Value required(std::optional<Value> value, const Parameter& parameter, const PlanJob& job,
                 const std::string& of) const {
    if (value) return *value;
    throw Error(ErrorKind::recipe,
                fmt::format("{}: parameter '{}' is missing{}", method_.name, parameter.name, of))
        .in_file(plan_.recipe.file)
        .in_tensor(job.output.name)
        .hint("give it a value without a filter, or one that covers this tensor");
  }

  void settle_merge(PlanJob& job, const PlannedSlice& slice, double t,
                    const std::vector<Candidate>& candidates) {
    std::vector<const Candidate*> inputs;
    DType promoted = header(candidates.front()).dtype;
    for (const Candidate& candidate : candidates) {
      promoted = promote(promoted, header(candidate).dtype);
      if (plan_.dtype(input(candidate)) == DType::f64) job.f64 = true;
      if (method_.base != BaseRole::ordinary && slice.base &&
          candidate.source->model == *slice.base) {
        job.base = input(candidate);
      } else {
        inputs.push_back(&candidate);
      }
    }
    job.output.dtype = output_dtype(promoted);

    const Parameters* slice_level = slice.written == nullptr ? nullptr : &slice.written->parameters;
    const Parameters* module_level =
        slice.module->name.empty() ? nullptr : &slice.module->parameters;
    const Parameters* global = &plan_.recipe.parameters;
    Settings settings;
    settings.per_input.resize(inputs.size());
    for (const Parameter& parameter : method_.parameters) {
      const std::string key(parameter.name);
      if (parameter.scope == ParameterScope::shared) {
        const auto value =
            resolve(parameter, {slice_level, module_level, global},
                    position_of(job.output.name, job.place, t, job.place.layer), plan_.recipe.file);
        if (!value && parameter.optional) continue;
        settings.shared[key] = required(value, parameter, job, "");
        continue;
      }
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        const auto value =
            resolve(parameter, {source_level(*inputs[i]), slice_level, module_level, global},
                    position_of(inputs[i]->name, job.place, t, job.place.layer), plan_.recipe.file);
        if (!value && parameter.optional) continue;
        settings.per_input[i][key] =
            required(value, parameter, job,
                     fmt::format(" for {}", plan_.models[inputs[i]->source->model].path.string()));
      }
    }
    apply_outline(job, settings, inputs);
    if (!plan_.recipe.lines) return;
    if (!slice.base) {
      throw Error(ErrorKind::recipe,
                  "'lines' scales the change from a base, and this slice has none")
          .in_file(plan_.recipe.file)
          .in_tensor(job.output.name)
          .hint("add the base_model to the slice's sources, or leave 'lines' out");
    }
    scale_change(job, slice, candidates);
  }

  // LiNeS (Wang et al. 2024, arXiv 2410.17146): alpha + beta l / (L - 1); what stands before the
  // first layer takes its factor, a head the last one's.
  void scale_change(PlanJob& job, const PlannedSlice& slice,
                    const std::vector<Candidate>& candidates) const {
    double depth = job.place.place == Place::head ? 1 : 0;
    if (job.place.layer && layers_ > 1) {
      depth = static_cast<double>(*job.place.layer) / static_cast<double>(layers_ - 1);
    }
    const double factor = plan_.recipe.lines->alpha + plan_.recipe.lines->beta * depth;
    const PlanInput base{*slice.base, candidates_base(slice, candidates)};
    const bool copies = job.action == PlanJob::Action::copy;
    const bool copies_base = copies && job.inputs[0].model == base.model;
    if (factor == 1 || copies_base) return;
    if (!job.note.empty()) job.note += "; ";
    job.note += fmt::format("the change from the base times {} (lines)", factor);
    job.change_scale = factor;
    job.base = base;
    if (!copies) return;
    job.action = PlanJob::Action::merge;
    job.identity = true;
    job.sweeps = 1;
    std::erase_if(job.unread, [&](const PlanInput& unread) { return unread.model == base.model; });
  }

  void apply_outline(PlanJob& job, const Settings& settings,
                     const std::vector<const Candidate*>& inputs) {
    Outline outline;
    try {
      MergeTensor tensor = job.merge_tensor();
      tensor.settings = settings;
      outline = method_.outline(tensor);
    } catch (Error& error) {
      error.in_file(plan_.recipe.file).in_tensor(job.output.name);
      throw;
    }
    job.note = outline.note;
    if (outline.copy != Outline::kNoCopy) {
      job.action = PlanJob::Action::copy;
      const PlanInput copied =
          outline.copy == Outline::kCopyBase ? *job.base : input(*inputs[outline.copy]);
      if (job.base && outline.copy != Outline::kCopyBase) job.unread.push_back(*job.base);
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (i != outline.copy) job.unread.push_back(input(*inputs[i]));
      }
      job.inputs = {copied};
      job.base.reset();
      job.settings = settings;
      return;
    }
    job.sweeps = outline.sweeps;
    job.whole_model = outline.whole_model;
    job.unit = outline.unit;
    job.workspace = outline.workspace;
    job.settings.shared = settings.shared;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (outline.reads[i]) {
        job.inputs.push_back(input(*inputs[i]));
        job.numbers.push_back(i);
        job.settings.per_input.push_back(settings.per_input[i]);
      } else {
        job.unread.push_back(input(*inputs[i]));
      }
    }
  }

  // A method refuses the settings of a group as a whole when its merger is made: here, before any
  // data is read, and not only when they are.
  void check_whole_model() const {
    MergeGroup group;
    for (const PlanJob& job : plan_.jobs) {
      if (job.action != PlanJob::Action::merge || !job.whole_model) continue;
      group.tensors.push_back(job.merge_tensor());
    }
    if (group.tensors.empty()) return;
    try {
      method_.make_f32(std::move(group));
    } catch (Error& error) {
      error.in_file(plan_.recipe.file);
      throw;
    }
  }

  // Whatever no output names: layers outside the slices, loose tensors of other modules' models.
  void list_left_out() {
    std::set<std::pair<std::size_t, std::string>> listed;
    for (const LeftOut& entry : plan_.left_out) listed.emplace(entry.model, entry.tensor);
    for (std::size_t m = 0; m < plan_.models.size(); ++m) {
      const PlanModel& model = plan_.models[m];
      for (std::size_t i = 0; i < model.names.size(); ++i) {
        const std::string& name = model.headers()[i].name;
        if (model.used[i] || listed.contains({m, name})) continue;
        const TensorPlace place = reference_.place(model.names[i].empty() ? name : model.names[i]);
        plan_.left_out.push_back({m, name,
                                  place.layer
                                      ? fmt::format("layer {} is in no slice", *place.layer)
                                      : "the recipe takes these tensors from other models"});
      }
    }
  }

  Plan& plan_;
  const std::vector<PlannedModule>& modules_;
  const Descriptor& method_;
  const Architecture& reference_;
  std::vector<TensorIndex> index_;
  std::optional<std::size_t> keep_from_;
  std::size_t layers_ = 0;  // of the module at hand, in the output
};

}  // namespace

void make_jobs(Plan& plan, const std::vector<PlannedModule>& modules) {
  JobMaker(plan, modules).run();
}

}  // namespace merganser
