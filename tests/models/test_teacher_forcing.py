import math

import pytest

from unroll.models.teacher_forcing import Schedule, TeacherForcingConfig, teacher_forcing_ratio


def test_constant():
    config = TeacherForcingConfig(ratio=0.7)
    assert [teacher_forcing_ratio(config, step) for step in (0, 10**6)] == [0.7, 0.7]


def test_linear_reaches_final_after_steps_and_stays():
    config = TeacherForcingConfig(schedule=Schedule.linear, ratio=1.0, final=0.2, steps=100)
    assert [teacher_forcing_ratio(config, step) for step in (0, 50, 100, 500)] == pytest.approx(
        [1, 0.6, 0.2, 0.2]
    )


def test_inverse_sigmoid_is_bengios():
    config = TeacherForcingConfig(schedule=Schedule.inverse_sigmoid, ratio=1.0, final=0.0, steps=50)
    for step in (0, 20, 200, 400):
        assert teacher_forcing_ratio(config, step) == pytest.approx(50 / (50 + math.exp(step / 50)))
    assert teacher_forcing_ratio(config, 10**9) == pytest.approx(0)
