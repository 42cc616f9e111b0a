// Model Breadcrumbs (Davari and Belilovsky 2023): task vectors without both tails, added up.
#include "methods/parts/breadcrumbs.h"

namespace merganser::methods {

extern const Descriptor breadcrumbs;
const Descriptor breadcrumbs = {
    .name = "breadcrumbs",
    .title = "Model Breadcrumbs",
    .summary = "Drops the largest and the smallest entries of each task vector and adds the rest.",
    .formula =
        "d_i = x_i - b without its int(gamma n) largest entries, then without all but the "
        "int(density n) largest left;  y = b + lambda * sum_i w_i d_i",
    .paper = "Davari and Belilovsky 2023, Model Breadcrumbs, arXiv 2312.06795",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters = breadcrumbs_parameters(false),
    .outline = breadcrumbs_outline,
    .make_f32 = make_breadcrumbs<float, false>,
    .make_f64 = make_breadcrumbs<double, false>,
};

}  // namespace merganser::methods
