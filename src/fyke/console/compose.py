"""Builds the console from the domain services, and lists all its pages."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

from fyke.api.files import Links
from fyke.api.ratelimit import RateShare
from fyke.console.api_client import ApiClient
from fyke.console.app import Console, ConsoleConfig
from fyke.console.docs.prefill import Prefill
from fyke.console.markdown import UntrustedMarkdown
from fyke.console.page import ConsolePage
from fyke.console.pages import (
    access,
    admin,
    alert_rules,
    alerts,
    assets,
    audit,
    docs,
    find,
    guide,
    isolation,
    joining,
    keyboard,
    keys,
    mail_address,
    mail_server,
    node_tokens,
    nodes,
    overview,
    own_account,
    own_workers,
    queue,
    review,
    run_actions,
    run_browser,
    run_browser_live,
    run_details,
    run_diagnosis,
    run_export,
    run_lists,
    run_live,
    run_log,
    run_output,
    run_traffic,
    schedules,
    second_factor,
    shared_run,
    store,
    task_edit,
    tasks,
    uploads,
    usage,
    users,
    webhooks,
    welcome,
    worker_api,
    worker_input,
    worker_secrets,
    worker_settings,
    worker_tabs,
    worker_versions,
)
from fyke.console.pages.run_frame import RunFrames
from fyke.console.pages.run_pictures import RunPictures
from fyke.console.pages.task_notices import TaskNotices
from fyke.console.pages.worker_frame import WorkerFrames
from fyke.console.statics import Statics, package_statics
from fyke.domain.accounts.sessions import SignedInUser
from fyke.domain.services import Services
from fyke.errors import Unavailable
from fyke.kit.clock import Clock

FILE_SECONDS = 900  # validity of a link to a file


def build_console(
    services: Services,
    config: ConsoleConfig,
    api: ApiClient,
    clock: Clock | None = None,
    share: RateShare | None = None,
) -> Console:
    """Build the console on the services; ``api`` is the API that it documents. For ``share`` see
    ``build_app``.
    """
    statics = package_statics()
    config = replace(config, priced=services.spending.priced)
    return Console(
        services.sessions,
        services.refusals,
        all_pages(services, config, statics, api),
        config,
        statics,
        partial(_sidebar_counts, services),
        clock,
        share,
    )


def all_pages(
    services: Services, config: ConsoleConfig, statics: Statics, api: ApiClient
) -> list[ConsolePage]:
    """All pages. A literal path must come before one with a parameter that matches it."""
    return [
        *access.AccessPages(
            services.sessions, services.confirmations, services.second_factors
        ).pages(),
        *joining.JoiningPages(services.links, config.data_folder).pages(),
        *welcome.WelcomePages(services.workers, services.runs, config.data_folder).pages(),
        *own_account.OwnAccountPages(
            services.accounts,
            services.sessions,
            services.profiles,
            services.schedules,
            services.spending,
            services.second_factors,
            services.mail_addresses,
        ).pages(),
        *mail_address.MailAddressPages(services.mail_addresses).pages(),
        *second_factor.SecondFactorPages(services.second_factors).pages(),
        *keyboard.KeyboardPages().pages(),
        *find.FindPages(services.finder, services.catalog).pages(),
        *guide.GuidePages().pages(),
        *keys.KeyPages(services.accounts, services.users).pages(),
        *users.UserPages(services.users).pages(),
        *audit.AuditPages(services.audit, services.accounts).pages(),
        *docs.DocsPages(api, Prefill(services.storage, services.catalog)).pages(),
        *store.StorePages(services.catalog, RunPictures(services.recent_runs)).pages(),
        *own_workers.OwnWorkerPages(
            services.workers, services.catalog, RunPictures(services.recent_runs)
        ).pages(),
        *_worker_pages(services),
        *overview.OverviewPages(
            services.overview,
            services.board,
            services.waiting,
            services.lists,
            services.usage,
            services.health,
            RunPictures(services.recent_runs),
        ).pages(),
        *_task_pages(services),
        *uploads.UploadPages(
            services.uploads,
            services.workers,
            services.runs,
            services.reviews,
            services.forms,
            services.promotions,
        ).pages(),
        *review.ReviewPages(
            services.reviews, services.history, services.submission_files, services.forms
        ).pages(),
        *queue.QueuePages(services.queue, services.board, services.queue_stream).pages(),
        *usage.UsagePages(services.usage).pages(),
        *run_lists.RunListPages(
            services.lists,
            services.list_stream,
            services.bulk,
            services.profiles,
            services.recent_runs,
        ).pages(),
        *_run_pages(services, config),
        *_notification_pages(services),
        *admin.AdminPages(
            services.installation, services.accounts, services.spending, services.allowed_callbacks
        ).pages(),
        *mail_server.MailServerPages(services.mail).pages(),
        *isolation.IsolationPages(services.overview).pages(),
        *nodes.NodePages(
            services.nodes, services.audit, services.gateway, RunPictures(services.recent_runs)
        ).pages(),
        *node_tokens.NodeTokenPages(services.node_tokens, services.gateway).pages(),
        *assets.AssetPages(statics).pages(),
    ]


def _run_pages(services: Services, config: ConsoleConfig) -> list[ConsolePage]:
    """The pages of one run, and its page for visitors with a share link."""
    log_reading, results = services.log_pages, services.results
    frames = RunFrames(
        services.runs,
        services.endings,
        services.waiting,
        services.parts,
        results,
        services.progress,
    )
    links = Links(config.master_secret, FILE_SECONDS)
    return [
        *run_export.RunExportPages(frames, results, services.exports, links, FILE_SECONDS).pages(),
        *run_log.RunLogPages(frames, log_reading, services.logs, links).pages(),
        *run_live.RunLivePages(
            frames,
            services.run_streams,
            log_reading,
            services.uses,
            services.run_sites,
            services.run_browsers,
            results,
        ).pages(),
        *run_browser.RunBrowserPages(
            frames, services.run_browsers, services.last_pages, services.browser_views
        ).pages(),
        *run_browser_live.RunBrowserLivePages(services.browser_views, services.runs).pages(),
        *run_diagnosis.RunDiagnosisPages(services.diagnoses).pages(),
        *run_traffic.RunTrafficPages(frames, services.run_sites).pages(),
        *run_details.RunDetailPages(
            frames, services.runs, services.uses, services.parts, services.callbacks
        ).pages(),
        *run_actions.RunActionPages(
            frames, services.runs, services.tasks, services.callbacks, services.shares
        ).pages(),
        *run_output.RunOutputPages(frames, results, log_reading).pages(),
        *shared_run.SharedRunPages(services.shares, results, log_reading, links).pages(),
    ]


def _task_pages(services: Services) -> list[ConsolePage]:
    """Tasks, their schedules, and all schedules."""
    pictures = RunPictures(services.recent_runs)
    notices = TaskNotices(services.alerts, services.webhooks, services.tasks)
    return [
        *tasks.TaskPages(
            services.task_board,
            services.tasks,
            services.runs,
            services.schedules,
            services.lists,
            pictures,
            notices,
        ).pages(),
        *notices.pages(),
        *task_edit.TaskEditPages(
            services.task_board,
            services.tasks,
            services.schedules,
            services.alerts,
            services.history,
            services.forms,
        ).pages(),
        *schedules.SchedulePages(services.calendar, services.task_board, pictures).pages(),
    ]


def _notification_pages(services: Services) -> list[ConsolePage]:
    """Webhooks, alerts and alert rules."""
    return [
        *webhooks.WebhookPages(
            services.webhooks, services.callbacks, services.allowed_callbacks
        ).pages(),
        *alerts.AlertPages(services.alerts).pages(),
        *alert_rules.AlertRulePages(
            services.alerts, services.webhooks, services.tasks, services.overview
        ).pages(),
    ]


def _worker_pages(services: Services) -> list[ConsolePage]:
    """All tabs of one worker."""
    frames = WorkerFrames(services.catalog, RunPictures(services.recent_runs))
    return [
        *worker_input.WorkerInputPages(
            frames,
            services.forms,
            services.runs,
            services.tasks,
            services.secrets,
            services.allowed_callbacks,
        ).pages(),
        *worker_api.WorkerApiPages(
            frames, services.forms, services.profiles, services.accounts
        ).pages(),
        *worker_tabs.WorkerTabPages(
            frames,
            services.workers,
            services.history,
            services.output_fields,
            services.runs,
            services.tasks,
            services.task_board,
            UntrustedMarkdown(services.parsers),
            frames.pictures,
        ).pages(),
        *worker_versions.WorkerVersionPages(
            frames, services.workers, services.history, services.builds, services.promotions
        ).pages(),
        *worker_secrets.WorkerSecretPages(frames, services.secrets).pages(),
        *worker_settings.WorkerSettingPages(
            frames,
            services.workers,
            services.removal,
            services.reviews,
            services.catalog.categories,
            services.run_options,
        ).pages(),
    ]


async def _sidebar_counts(services: Services, signed_in: SignedInUser) -> Mapping[str, int]:
    """Counts for the sidebar; empty when the state is unavailable, so that the page still loads."""
    caller = signed_in.caller
    with suppress(Unavailable):
        return {
            "alerts": await services.alerts.count_unread(caller),
            "review": await services.reviews.waiting(caller),
        }
    return {}
