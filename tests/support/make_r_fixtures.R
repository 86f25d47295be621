# Write tests/formats/fixtures/*.rds and *.rda with R 4.2.2; the tests themselves need no R.
# Usage: Rscript tests/support/make_r_fixtures.R
folder <- "tests/formats/fixtures"
put <- function(object, name, ...) saveRDS(object, file.path(folder, name), compress = FALSE, ...)

model <- lm(mpg ~ wt + hp, data = mtcars[1:10, ])
environment(model$terms) <- globalenv()
attr(model$model, "terms") <- model$terms
put(model, "model.rds")
put(list(a = 1:3, b = c(1.5, NA), c = "text", d = NULL, e = TRUE, f = complex(real = 1, imaginary = 2), g = as.raw(1:3),
         h = factor(c("x", "y")), i = NA_character_, j = 1:1000000), "values.rds")
put(list(a = 1:3, b = "te\txt\n\u00fc", c = c(1.5, NA, Inf)), "ascii.rds", ascii = TRUE)
put(data.frame(x = 1:3, y = letters[1:3]), "version2.rds", version = 2)

hostile <- eval(quote(function(x) { system("touch x"); base::file.remove("y"); x + 1 }), globalenv())
attr(hostile, "srcref") <- NULL
put(hostile, "closure.rds")
compiled <- compiler::cmpfun(hostile)
put(compiled, "bytecode.rds")

holder <- new.env(parent = emptyenv())
delayedAssign("value", system("touch x"), eval.env = globalenv(), assign.env = holder)
put(holder, "promise.rds")
later <- quote(system("touch x"))
put(later, "language.rds")
save(model, holder, file = file.path(folder, "several.rda"), compress = FALSE)
