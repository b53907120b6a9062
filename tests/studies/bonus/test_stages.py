from monolayer.studies.bonus.study import Stages, estimate_banks


class Display:
    def __init__(self):
        self.result, self.message = [], []

    def info(self, text):
        self.message.append(text)

    def advance(self, task, done, total, unit=""):
        self.result.append((task, done, total, unit))


def test_stages_add_up_by_their_weights_and_never_go_back():
    display = Display()
    stages = Stages(display, "all", [1, 3])
    first = stages.begin()
    first.advance("a", 0, 10)
    first.advance("a", 5, 10)
    second = stages.begin(n_tasks=2)
    second.advance("b", 0, 4)
    second.advance("b", 4, 4)
    second.advance("c", 0, 2)
    second.advance("c", 1, 2)
    stages.end()
    shares = [done for _, done, _, _ in display.result]
    assert shares == [0, 0, 12.5, 25, 25, 62.5, 62.5, 81.2, 100]
    assert {(task, total, unit) for task, _, total, unit in display.result} == {("all", 100, "%")}


def test_two_tasks_of_one_name_are_two():
    display = Display()
    stage = Stages(display, "all", [1]).begin(n_tasks=2)
    for _ in range(2):
        stage.advance("training", 0, 2)
        stage.advance("training", 2, 2)
    assert [done for _, done, _, _ in display.result] == [0, 0, 50, 50, 100]


def test_more_tasks_than_said_stop_at_the_stages_end():
    display = Display()
    stage = Stages(display, "all", [1, 1]).begin()
    stage.advance("a", 1, 1)
    stage.advance("b", 1, 1)
    stage.info("a line")
    assert display.result[-1][1] == 50
    assert display.message == ["a line"]


def test_a_bank_weighs_by_its_members_and_epochs():
    assert [*estimate_banks([[1], [1, 2, 3, 4]], [40, 10])] == [120, 60]
