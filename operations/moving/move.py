"""The move of one namespace's Secrets: what there is of it in the stack file and in the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from components.base.ports import INFISICAL_PORT
from components.infisical_pods import workload_name
from operations.cluster import Cluster
from operations.errors import OperationError
from operations.moving import consumers, holders, stack_file
from operations.moving.consumers import Use, by_secret, uses_of
from operations.moving.holders import Holder, holders_of
from operations.moving.plan import Body, Found, Plan
from operations.moving.pod import Pod
from operations.own_cluster import own_cluster
from operations.pulumi import Stack
from settings import Settings


@dataclass(frozen=True)
class Move:
    """The move of one namespace. What has been done already is read from the stack file and the cluster each time."""

    stack: Stack
    namespace: str
    application: str
    environment: str
    title: str
    dry: bool
    left: tuple[str, ...] = ()  # Secrets that stay because somebody says so

    @cached_property
    def settings(self) -> Settings:
        """Return what the stack says. Raises OperationError."""
        return self.stack.settings()

    @cached_property
    def cluster(self) -> Cluster:
        """Return the stack's cluster. Raises OperationError when the settings lead to a different one."""
        return own_cluster(self.stack)

    @property
    def pod(self) -> Pod:
        """Return what runs the script."""
        name = workload_name(self.settings.infisical.chart.flavour)
        home = self.settings.cluster.names.infisical
        address = f"http://{name}.{home}.svc:{INFISICAL_PORT}"
        return Pod(
            cluster=self.cluster,
            namespace=self.namespace,
            home=home,
            image=self.settings.jobs.python_image,
            address=address,
            pods=self.settings.pods,
            pulls=self.settings.registry_credentials is not None,
        )

    @property
    def kept(self) -> Path:
        """Return the file that keeps SealedSecrets that were deleted. They are encrypted, so it may lie anywhere."""
        return Path(f"sealed-secrets-of-{self.namespace}-{self.stack.name.replace('/', '-')}.json")

    @property
    def uses(self) -> list[Use]:
        """Return what uses the namespace's Secrets."""
        return uses_of(self.cluster.objects(consumers.KINDS, self.namespace))

    @property
    def holders(self) -> list[Holder]:
        """Return what needs the namespace's Secrets, also what something else makes."""
        return holders_of(self.cluster.objects(holders.KINDS, self.namespace))

    @cached_property
    def plan(self) -> Plan:
        """Return what can move. A Job in the cluster looks at the Secrets."""
        operator = self.settings.secrets_operator
        found = self.look()
        if unknown := sorted(set(self.left) - {secret.name for secret in found}):
            raise OperationError(f"--leave: namespace {self.namespace} has no Secret {', '.join(unknown)}")
        return Plan(
            namespace=self.namespace,
            application=self.application,
            environment=self.environment,
            found=sorted((secret.left(self.left) for secret in found), key=lambda secret: secret.name),
            consumers=by_secret(self.uses),
            restarting=not operator or operator.kind == "infisical",
        )

    def look(self) -> list[Found]:
        """Return what there is now, as a Job in the cluster sees it."""
        return [Found(**line) for line in self.pod.run("inventory", self._place(self.application))]

    def _place(self, project: str) -> Mapping[str, str]:
        return {"project": project, "environment": self.environment}

    @property
    def stated(self) -> Body:
        """Return the application in the stack file. Raises OperationError where it isn't planned yet."""
        body = stack_file.stated(self.stack.file, self.application)
        if body is None:
            raise OperationError(
                f"{self.stack.file} has no application {self.application} yet: {self.command('plan', '--yes')}"
            )
        return body

    @property
    def moving(self) -> list[Found]:
        """Return the Secrets whose folders the stack file has."""
        return self.plan.items(self.stated)

    @property
    def begun(self) -> list[Found]:
        """Return them with those that something keeps since: what was done to them can be taken back."""
        return self.plan.begun(self.stated)

    @property
    def held(self) -> list[Holder]:
        """Return what still needs Secrets that move, under their old names."""
        names = {secret.name for secret in self.moving}
        return [holder for holder in self.holders if holder.secret in names]

    def script(self, mode: str) -> list[dict[str, object]]:
        """Run the script on the Secrets that move."""
        found = self.begun if mode == "remove" else self.moving
        items = [{"name": each.name, "folder": each.folder, "target": each.target} for each in found]
        project = str(self.stated.get("project") or self.plan.project)
        return self.pod.run(mode, self._place(project), items)

    def command(self, step: str, *options: str) -> str:
        """Return the command that takes a step, for messages."""
        words = [f"--step {step}", *options, *(f"--leave {name}" for name in self.left)]
        if self.application != self.namespace:
            words.append(f"--application {self.application}")
        if self.environment != "prod":
            words.append(f"--environment {self.environment}")
        return self.stack.commands.make("migrate-secrets", NAMESPACE=self.namespace, OPTIONS=" ".join(words))
