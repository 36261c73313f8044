"""Averaging the weights of several fine-tunings."""

import pytest

torch = pytest.importorskip("torch")

from edgekd.teacher.finetune import average_greedily  # noqa: E402


def states(*values):
    return [{"w": torch.tensor([value]), "steps": torch.tensor(7)} for value in values]


class Model:
    def load_state_dict(self, state):
        self.state = state


@pytest.mark.parametrize(
    ("accuracies", "scores", "chosen", "weight"),
    [
        ([0.8], [], [0], 1.0),
        ([0.8, 0.9], [0.9], [0, 1], 2.0),  # an equal score is enough
        ([0.8, 0.9], [0.89], [1], 3.0),  # the average of the best and the worst is worse than the best
        ([0.8, 0.9, 0.85], [0.95, 0.94], [1, 2], 4.5),  # 1, then 1 and 2, then all three
    ],
)
def test_a_run_joins_when_it_does_not_lower_the_validation_accuracy(accuracies, scores, chosen, weight):
    model, left = Model(), list(scores)
    weights = states(1.0, 3.0, 6.0)[: len(accuracies)]
    assert average_greedily(model, weights, accuracies, lambda: left.pop(0)) == chosen
    assert left == []
    assert model.state["w"].item() == weight
    assert model.state["steps"].item() == 7
