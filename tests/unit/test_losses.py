"""Losses against values computed by hand, and at their edges."""

import math

import pytest

torch = pytest.importorskip("torch")

from edgekd.student.losses import (  # noqa: E402
    IGNORE_INDEX,
    distillation_loss,
    hard_target_loss,
    logit_mse_loss,
    soft_target_loss,
    true_label_loss,
)

# softmax([ln 3, 0]) = (3/4, 1/4); softmax([0, 0]) = (1/2, 1/2)
STUDENT = torch.tensor([[0.0, 0.0]])
TEACHER = torch.tensor([[math.log(3.0), 0.0]])
KL = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)


def test_soft_targets_by_hand_at_temperature_1():
    assert soft_target_loss(STUDENT, TEACHER, 1.0).item() == pytest.approx(KL, rel=1e-6)


def test_soft_targets_by_hand_at_temperature_2():
    # softmax([ln 9, 0] / 2) = softmax([ln 3, 0])
    teacher = torch.tensor([[math.log(9.0), 0.0]])
    assert soft_target_loss(STUDENT, teacher, 2.0).item() == pytest.approx(4 * KL, rel=1e-6)


def test_gradient_scale_does_not_vanish_with_temperature():
    norms = []
    for temperature in (1.0, 10.0):
        student = STUDENT.clone().requires_grad_()
        soft_target_loss(student, torch.tensor([[0.1, 0.0]]), temperature).sum().backward()
        norms.append(student.grad.norm().item())
    assert norms[1] == pytest.approx(norms[0], rel=0.05)


def test_equal_logits_cost_nothing():
    assert soft_target_loss(TEACHER, TEACHER, 3.0).item() == pytest.approx(0, abs=1e-7)
    assert logit_mse_loss(TEACHER, TEACHER).item() == 0


def test_hard_targets_are_the_teachers_choice():
    assert hard_target_loss(STUDENT, TEACHER).item() == pytest.approx(math.log(2))
    assert hard_target_loss(TEACHER, TEACHER).item() == pytest.approx(-math.log(0.75))


def test_mse_is_the_mean_over_labels():
    assert logit_mse_loss(STUDENT, TEACHER).item() == pytest.approx(math.log(3) ** 2 / 2)


def test_a_text_without_label_has_no_true_label_loss():
    both = torch.cat([STUDENT, STUDENT])
    assert true_label_loss(both, torch.tensor([1, IGNORE_INDEX])).tolist() == pytest.approx([math.log(2), 0])


@pytest.mark.parametrize("kind", ["soft", "hard", "mse"])
def test_beta_0_is_the_cross_entropy(kind):
    loss = distillation_loss(STUDENT, torch.tensor([0]), TEACHER, kind=kind, alpha=1.0, beta=0.0, temperature=2.0)
    assert loss.item() == pytest.approx(math.log(2))


def test_alpha_0_ignores_the_true_labels():
    losses = {
        distillation_loss(
            STUDENT, torch.tensor([label]), TEACHER, kind="soft", alpha=0.0, beta=1.0, temperature=1.0
        ).item()
        for label in (0, 1, IGNORE_INDEX)
    }
    assert len(losses) == 1
    assert losses.pop() == pytest.approx(KL, rel=1e-6)


def test_weights_mix_per_text():
    students, teachers = torch.cat([STUDENT, STUDENT]), torch.cat([TEACHER, TEACHER])
    loss = distillation_loss(
        students, torch.tensor([0, IGNORE_INDEX]), teachers, kind="soft", alpha=0.4, beta=0.6, temperature=1.0
    )
    assert loss.item() == pytest.approx((0.4 * math.log(2) + 2 * 0.6 * KL) / 2, rel=1e-6)
