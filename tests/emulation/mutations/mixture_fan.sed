# a task's last tile is not its own: the next task takes it, too
# test: test_backend_mixture takes many
s/room < pass.cut.task_rows ? room : pass.cut.task_rows/room < pass.cut.task_rows + 1 ? room : pass.cut.task_rows + 1/
