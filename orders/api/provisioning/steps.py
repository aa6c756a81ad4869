from typing import Any

from rest_framework import serializers

from orders.models.step import StepStatus

STEP_STATUSES = [each.value for each in StepStatus]


class StepSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="The step that deploys an app is named `Deploying <app name>`.")
    status = serializers.ChoiceField(choices=STEP_STATUSES)
    message = serializers.CharField()
    started_at = serializers.DateTimeField(required=False)
    done_at = serializers.DateTimeField(required=False)
